"""What the diagnosis finds, a sentence each, in English."""

from __future__ import annotations

__all__ = ["FOUND"]

FOUND: dict[str, str] = {
    "list.comma": ", ",
    "list.more": "{names} and {more} more",
    "found.not-finite.weights": "{count} hold NaN or Inf: {names}.",
    "found.not-finite.weights.one": "{names} holds NaN or Inf: {bad} of {size} elements.",
    "found.not-finite.signals": "NaN or Inf first shows after {names}: {bad} of {size} "
    "elements; {count} outputs have some.",
    "found.not-finite.signals.one": "NaN or Inf shows after {names}: {bad} of {size} elements.",
    "found.symmetric.kept": "All rows are equal in {count} weights, and the next layers treat "
    "them alike: these units learn the same ({names}).",
    "found.symmetric.kept.one": "All {rows} rows of {names} are equal, and the next layer "
    "treats them alike: these units learn the same.",
    "found.symmetric.broken": "All rows are equal in {count} weights; only the next layers tell "
    "these units apart ({names}).",
    "found.symmetric.broken.one": "All {rows} rows of {names} are equal; only the next layer "
    "tells these units apart.",
    "found.zeros.rectified": "{count} weights before a rectifier are all zeros: they get no "
    "gradient, and nothing goes through ({names}).",
    "found.zeros.rectified.one": "{names} is all zeros before a rectifier: it gets no gradient, "
    "and nothing goes through.",
    "found.zeros.chain": "{count} weights in a row are all zeros: the gradient of each is zero "
    "because of the others ({names}).",
    "found.zeros.all": "All {count} weights are zeros: no gradient reaches any of them ({names}).",
    "found.dead": "More than {least} of the units are dead after {count} rectifiers, up to "
    "{share} after {worst} ({names}).",
    "found.dead.one": "{share} of units dead after {worst} ({dead} of {units}, {samples} "
    "samples each).",
    "found.depth.vanishes": "The std of the signals shrinks {threshold}× by layer {layer} "
    "({at}) and {factor}× by {last}: from {high} to {low}.",
    "found.depth.explodes": "The std of the signals grows {threshold}× by layer {layer} ({at}) "
    "and {factor}× by {last}: from {low} to {high}.",
    "found.depth.stops": "Nothing of the input is left from layer {layer} ({at}) on: the std of "
    "the signals is 0 up to {last}.",
    "found.gradients.vanishes": "The gradients shrink {factor}× on the way back from {last} to "
    "{first}: their norm falls from {high} to {low}.",
    "found.gradients.explodes": "The gradients grow {factor}× on the way back from {last} to "
    "{first}: their norm rises from {low} to {high}.",
    "found.saturated": "More than {least} of the outputs are saturated after {count} "
    "activations, up to {share} after {worst} ({names}).",
    "found.saturated.one": "{share} of the outputs of {worst} are saturated.",
    "found.gain.low": "The gain (std·√fan_in) is {gain} in {count} layers before {activation}, "
    "which wants {needed}: from {first} to {last} that makes {factor}× too little.",
    "found.gain.high": "The gain (std·√fan_in) is {gain} in {count} layers before {activation}, "
    "which wants {needed}: from {first} to {last} that makes {factor}× too much.",
    "found.gain.low.one": "The gain (std·√fan_in) of {last} is {gain}, but {activation} "
    "follows, which wants {needed}: {factor}× too little.",
    "found.gain.high.one": "The gain (std·√fan_in) of {last} is {gain}, but {activation} "
    "follows, which wants {needed}: {factor}× too much.",
    "found.gain.fan_out.low": "The std of {count} layers before {activation} fits fan_out, not "
    "fan_in: from {first} to {last} that makes {factor}× too little for the signals.",
    "found.gain.fan_out.high": "The std of {count} layers before {activation} fits fan_out, not "
    "fan_in: from {first} to {last} that makes {factor}× too much for the signals.",
    "found.gain.fan_out.low.one": "The std of {last} before {activation} fits fan_out, not "
    "fan_in: {factor}× too little for the signals.",
    "found.gain.fan_out.high.one": "The std of {last} before {activation} fits fan_out, not "
    "fan_in: {factor}× too much for the signals.",
    "found.gain.foreign": "The gain of {count} layers is {gain}, that of a ReLU, but "
    "{activation} follows, which wants {needed} ({names}).",
    "found.gain.foreign.one": "The gain of {names} is {gain}, that of a ReLU, but {activation} "
    "follows, which wants {needed}.",
    "found.gain.or": "{first} or {second}",
    "found.gain.to": "{first} to {second}",
    "found.law": "The std of {count} parameters is not their law's, most of all of {worst}: "
    "{found} instead of {wanted} ({names}).",
    "found.law.one": "The std of {names} is {found}, but {law} has {wanted} ({n} elements).",
    "found.unmatched": "{path}: {problem}",
    "found.untouched": "{count} parameters are left as they are, no rule speaks of {kinds}: "
    "{names}.",
    "found.untouched.one": "{names} is left as it is, no rule speaks of {kinds}.",
}
