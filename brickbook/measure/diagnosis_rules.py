"""The rules of the diagnosis: their thresholds, what they mean, and their words.

All texts stand here, so that they can be said in another language: `TEXTS` has a template for
every sentence, `RULES` a title and a paragraph for every rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "DEAD", "DEPTH", "FOREIGN", "GAIN", "GRADIENT", "LAW", "RULES", "SATURATED", "TEXTS",
    "DiagnosisRule",
]  # fmt: skip

GAIN = (8.0, 30.0)  # note, warning: by how much a chain's gains multiply to too little or too much
FOREIGN = 0.05  # how near a gain must be to a rectifier's to be taken for it
DEPTH = (10.0, 1e4)  # warning, error: how far the std of the signals drifts
GRADIENT = (100.0, 1e6)  # warning, error: how far the gradients' norm drifts
DEAD = (0.5, 0.99)  # warning, error: share of dead units
SATURATED = 0.5  # share of a tanh's or sigmoid's outputs near its bounds
LAW = (6.0, 0.02)  # standard errors, and a relative slack for rounding to 16 bits
SAMPLES = 16  # elements that a unit must have before it can be called dead


@dataclass(frozen=True)
class DiagnosisRule:
    """A rule: its name, a title, its thresholds in words, and a paragraph for a student."""

    name: str
    title: str
    threshold: str
    explain: str


def percent(share: float) -> str:
    """Say a share.

    >>> percent(0.5)
    '50 %'
    """
    return f"{100 * share:.3g} %"


FOUND = (
    DiagnosisRule(
        "not-finite",
        "NaN or Inf",
        "one element",
        "A parameter or an output holds NaN or Inf. Whatever is computed from it becomes NaN as "
        "well, and one training step spreads it to all weights. It comes from a division by zero "
        "or the logarithm of zero, from weights so large that the signals leave the range of the "
        "dtype (float16 ends at 65504), or from memory that nothing has filled. The first layer "
        "in which it shows is the place to look.",
    ),
    DiagnosisRule(
        "symmetric",
        "Units that learn the same",
        "all rows of a weight equal, their biases too",
        "Each row of a weight matrix is one unit. Units with equal rows and equal biases give "
        "equal outputs, and if the next layer also treats them alike they get equal gradients: "
        "they stay copies of each other however long the training lasts, and a layer of 512 such "
        "units learns no more than one. Weights must therefore start different, which is what "
        "random numbers are for; biases may all be 0. If the next layer's weights differ, they "
        "break the symmetry at the first step, and it is a warning only. The last layer is not "
        "looked at: its units have targets of their own. Source: Goodfellow, Bengio & Courville "
        "2016, Deep Learning, §8.4.",
    ),
    DiagnosisRule(
        "zeros",
        "Zero weights that stop learning",
        "all elements of a weight 0, its bias too, where the gradient is 0 as well",
        "A layer that starts with zeros learns if a gradient reaches it and something else than 0 "
        "goes into it: so does an output layer, and the last layer of a residual branch, whose "
        "block then starts as the identity (Goyal et al. 2017, §5.1; Zhang et al. 2019, Fixup). "
        "These are never reported, nor are zero biases and zero scales of norms. Two cases stop "
        "for good: zeros before a ReLU, whose slope at 0 is 0, and two layers of zeros in a row, "
        "each of which waits for the other: the gradient of either is a product with the other's "
        "weights or outputs.",
    ),
    DiagnosisRule(
        "dead",
        "Dead units",
        f"more than {percent(DEAD[0])} of the units, an error from {percent(DEAD[1])}; each with "
        f"{SAMPLES} samples or more",
        "A unit is dead if its rectifier gives 0 for the whole batch: then no gradient flows "
        "through it and its weights do not change. Half of the outputs of a ReLU are 0 when all "
        "is well, but not always those of the same unit. Biases far below 0, or weights whose "
        "mean is not 0, kill units at the start; a learning rate that is too high does later. In "
        "very deep networks without norms all samples come to look alike, so that some units are "
        "0 for all of them. With a batch of other data the share may differ: dead means dead for "
        "this batch. Source: Lu et al. 2019, Dying ReLU and initialization, arXiv 1903.06733.",
    ),
    DiagnosisRule(
        "depth",
        "Signals that vanish or explode",
        f"a factor of {DEPTH[0]:g} between a layer and all layers after it, an error from "
        f"{DEPTH[1]:,.0f}",
        "Each layer multiplies the standard deviation of its input by some factor; through depth "
        "these factors multiply, so that 0.5 leaves a thousandth after 10 layers and 2 makes a "
        "thousandfold. Signals that vanish tell the last layers nothing about the input, signals "
        "that explode end in Inf or saturate what follows. Compared are the outputs of layers "
        "with weights between two norms, since a norm starts afresh; it counts only if at least "
        "three layers (two, where it grows; five, where a norm makes up for it) stay beyond the "
        "factor and none goes back by 2 on the way, so that a small branch beside a skip "
        "connection does not. The remedy is a law whose std is gain / √fan_in, or norms. "
        "Source: Glorot & Bengio 2010, §4.2.1; He et al. 2015, §2.2.",
    ),
    DiagnosisRule(
        "gradients",
        "Gradients that vanish or explode",
        f"a factor of {GRADIENT[0]:g} between the norms by the first layers' outputs and by the "
        f"last ones', an error from {GRADIENT[1]:,.0f}",
        "Going back, the gradient is multiplied by each layer's weights and by the slope of each "
        "activation. If these products are below 1 the first layers get a gradient of almost "
        "nothing and do not learn, if above 1 they are thrown about. Compared are the lengths "
        "(norms) of the gradients by the layers' outputs, which do not depend on how large the "
        "pictures are at each layer; it counts only if all of the first layers (three or more, "
        "two where it grows) lie beyond the factor: with skip connections the gradient arrives "
        "there whatever the branches do. Nothing is said where the gradient is 0 already behind "
        "the last layer, as behind an output layer of zeros. Source: Glorot & Bengio 2010, §4.2; "
        "Hochreiter et al. 2001, Gradient flow in recurrent nets.",
    ),
    DiagnosisRule(
        "saturated",
        "Saturated activations",
        f"more than {percent(SATURATED)} of the outputs within 0.03 of a bound",
        "A tanh is flat near ±1, a sigmoid near 0 and 1: where the outputs lie there, the slope is "
        "almost 0 and so is the gradient. It happens where the weights are too large: with a std "
        "of 1 and 500 inputs, what goes into the activation has a std of 22. Up to a third is what "
        "the recommended gain of 5/3 gives in the first layer. Source: Glorot & Bengio 2010, §3; "
        "the bound 0.97 is that of Karpathy, makemore part 3.",
    ),
    DiagnosisRule(
        "gain",
        "A gain that does not fit the activation",
        f"a product along a chain off by {GAIN[0]:g} (note) or {GAIN[1]:g} (warning); a "
        f"rectifier's gain within {percent(FOREIGN)} before a tanh or sigmoid (note)",
        "A layer with n inputs whose weights have the standard deviation s multiplies the size of "
        "its input by s·√n, its gain. An activation takes some of it away and wants it back: a "
        "ReLU, which halves the second moment, √2 (He et al. 2015, eq. 10), a tanh 5/3, or 1 as in "
        "Glorot & Bengio 2010, eq. 12, a SELU 3/4, or 1 as in Klambauer et al. 2017. Gains that do "
        "not fit multiply through depth, so the "
        "product along a chain of layers is judged, from its second layer on, as the size of the "
        "input is the data's affair. Layers before a norm are left out: it undoes any gain. So "
        "are layers whose order the model does not tell: it must stand in an nn.Sequential or a "
        "ConvModule. Where the std fits the number of outputs instead (fan_out) this is said: "
        "such a start keeps the gradients, not the signals.",
    ),
    DiagnosisRule(
        "law",
        "A std that is not the law's",
        f"|found / law − 1| > {LAW[1]:g} + {LAW[0]:g}·√((κ − 1) / 4n)",
        "The plan says which law fills a tensor, and so which standard deviation to expect. The "
        "std of n random numbers misses that of their law by a relative error of about "
        "√((κ − 1) / 4n), where κ is the kurtosis (3 for a normal law: 1/√(2n)). More than six "
        "such errors and two per cent cannot be chance: something has written the tensor after "
        "the law, a hook, own code, a checkpoint or training. Tensors that a checkpoint, own code "
        "or data may change after the law are left out.",
    ),
    DiagnosisRule(
        "unmatched",
        "A rule without effect",
        "a name in a rule that matches nothing",
        "A rule of the config names a class, a layer or a parameter that the model does not have, "
        "or one that has nothing to fill. The rule does nothing, in silence; most often it is a "
        "spelling mistake, or the layer has another name in this model. The nearest known name is "
        "given.",
    ),
    DiagnosisRule(
        "untouched",
        "Parameters that no rule speaks of",
        "one parameter that is not a norm's and not frozen",
        "The config speaks of some layers and not of others; those keep what their class gave "
        "them when the model was built, which for torch's own layers is U(±1/√fan_in). That may "
        "be what is wanted, but it is easily overlooked for an attention, an embedding or a "
        "parameter of the model's own. Norms are left out: they start as 1 and 0 anyway.",
    ),
)  # fmt: skip

RULES: Mapping[str, DiagnosisRule] = MappingProxyType({rule.name: rule for rule in FOUND})

TEXTS: Mapping[str, str] = MappingProxyType({
    "list.more": "{names} and {more} more",
    "not-finite.weights": "{count} hold NaN or Inf: {names}.",
    "not-finite.weights.one": "{names} holds NaN or Inf: {bad} of {size} elements.",
    "not-finite.signals": "NaN or Inf first shows after {names}: {bad} of {size} elements; "
    "{count} outputs have some.",
    "not-finite.signals.one": "NaN or Inf shows after {names}: {bad} of {size} elements.",
    "symmetric.kept": "All rows are equal in {count} weights, and the next layers treat them "
    "alike: these units learn the same ({names}).",
    "symmetric.kept.one": "All {rows} rows of {names} are equal, and the next layer treats them "
    "alike: these units learn the same.",
    "symmetric.broken": "All rows are equal in {count} weights; only the next layers tell these "
    "units apart ({names}).",
    "symmetric.broken.one": "All {rows} rows of {names} are equal; only the next layer tells "
    "these units apart.",
    "zeros.rectified": "{count} weights before a rectifier are all zeros: they get no gradient, "
    "and nothing goes through ({names}).",
    "zeros.rectified.one": "{names} is all zeros before a rectifier: it gets no gradient, and "
    "nothing goes through.",
    "zeros.chain": "{count} weights in a row are all zeros: the gradient of each is zero because "
    "of the others ({names}).",
    "zeros.all": "All {count} weights are zeros: no gradient reaches any of them ({names}).",
    "dead": "More than {least} of the units are dead after {count} rectifiers, up to {share} "
    "after {worst} ({names}).",
    "dead.one": "{share} of units dead after {worst} ({dead} of {units}, {samples} samples each).",
    "depth.vanishes": "The std of the signals shrinks {threshold}× by layer {layer} ({at}) and "
    "{factor}× by {last}: from {high} to {low}.",
    "depth.explodes": "The std of the signals grows {threshold}× by layer {layer} ({at}) and "
    "{factor}× by {last}: from {low} to {high}.",
    "depth.stops": "Nothing of the input is left from layer {layer} ({at}) on: the std of the "
    "signals is 0 up to {last}.",
    "gradients.vanishes": "The gradients shrink {factor}× on the way back from {last} to {first}: "
    "their norm falls from {high} to {low}.",
    "gradients.explodes": "The gradients grow {factor}× on the way back from {last} to {first}: "
    "their norm rises from {low} to {high}.",
    "saturated": "More than {least} of the outputs are saturated after {count} activations, up to "
    "{share} after {worst} ({names}).",
    "saturated.one": "{share} of the outputs of {worst} are saturated.",
    "gain.low": "The gain (std·√fan_in) is {gain} in {count} layers before {activation}, which "
    "wants {needed}: from {first} to {last} that makes {factor}× too little.",
    "gain.high": "The gain (std·√fan_in) is {gain} in {count} layers before {activation}, which "
    "wants {needed}: from {first} to {last} that makes {factor}× too much.",
    "gain.low.one": "The gain (std·√fan_in) of {last} is {gain}, but {activation} follows, which "
    "wants {needed}: {factor}× too little.",
    "gain.high.one": "The gain (std·√fan_in) of {last} is {gain}, but {activation} follows, which "
    "wants {needed}: {factor}× too much.",
    "gain.fan_out.low": "The std of {count} layers before {activation} fits fan_out, not fan_in: "
    "from {first} to {last} that makes {factor}× too little for the signals.",
    "gain.fan_out.high": "The std of {count} layers before {activation} fits fan_out, not fan_in: "
    "from {first} to {last} that makes {factor}× too much for the signals.",
    "gain.fan_out.low.one": "The std of {last} before {activation} fits fan_out, not fan_in: "
    "{factor}× too little for the signals.",
    "gain.fan_out.high.one": "The std of {last} before {activation} fits fan_out, not fan_in: "
    "{factor}× too much for the signals.",
    "gain.foreign": "The gain of {count} layers is {gain}, that of a ReLU, but {activation} "
    "follows, which wants {needed} ({names}).",
    "gain.foreign.one": "The gain of {names} is {gain}, that of a ReLU, but {activation} follows, "
    "which wants {needed}.",
    "gain.or": "{first} or {second}",
    "gain.to": "{first} to {second}",
    "law": "The std of {count} parameters is not their law's, most of all of {worst}: {found} "
    "instead of {wanted} ({names}).",
    "law.one": "The std of {names} is {found}, but {law} has {wanted} ({n} elements).",
    "unmatched": "{path}: {problem}",
    "untouched": "{count} parameters are left as they are, no rule speaks of {kinds}: {names}.",
    "untouched.one": "{names} is left as it is, no rule speaks of {kinds}.",
})  # fmt: skip
