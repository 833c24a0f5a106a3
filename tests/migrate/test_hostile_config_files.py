"""Whatever stands in a config, it is migrated or refused by path."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_configs import OLD_CONFIGS

from brickbook.errors import ConfigError
from brickbook.migrate import migrate_config

WORDS = ("type", "step", "keys", "Collect", "Normalize", "CosineAnnealing", "ImageNet", "auto")
VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, -1, 10**30, 0.5, math.nan, math.inf, 1j, b"x", ""])
    | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from([*WORDS, None, 3]), inner, max_size=2)
    ),
    max_leaves=4,
)
TYPES = ("Collect", "Normalize", "Lighting", "CUB", "VOC", "SwAVHead", "RepeatDataset")
# At which share of the places of a config, what is done there, and with what.
CHANGES = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["drop", "replace", "add", "wrap", "retype"]),
    VALUES,
    st.sampled_from([*WORDS, None]),
)


def listed(value):
    """Return a copy with lists for tuples, which can be changed."""
    if isinstance(value, dict):
        return {key: listed(part) for key, part in value.items()}
    return [listed(part) for part in value] if isinstance(value, (list, tuple)) else value


def places(value):
    """Yield every key and index of a config, with what holds it."""
    if isinstance(value, (dict, list)):
        for key in list(value if isinstance(value, dict) else range(len(value))):
            yield value, key
            yield from places(value[key])


def changed(name, changes):
    cfg = listed(deepcopy(OLD_CONFIGS[name]))
    for share, change, value, word in changes:
        known = list(places(cfg))
        if not known:
            break
        holder, key = known[int(share * len(known))]
        if change == "drop":
            del holder[key]
        elif change == "wrap":
            holder[key] = [holder[key]]
        elif change == "add" and isinstance(holder, dict):
            holder[word] = value
        elif change == "retype" and isinstance(holder, dict):
            holder["type"] = TYPES[int(share * 1000) % len(TYPES)]
        else:
            holder[key] = value
    return cfg


def check(cfg, schedule):
    """Migrate a config, and say all that there is to say of it."""
    try:
        migration = migrate_config(cfg, schedule=schedule)
    except ConfigError as error:
        assert str(error)
        return
    for note in migration.notes:
        assert note.text("en") and note.text("zh")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(OLD_CONFIGS)),
    st.lists(CHANGES, min_size=1, max_size=3),
    st.sampled_from(["guide", "faithful"]),
)
@example("byol", [(0.0, "add", [1], None)], "guide")
def test_a_changed_config_is_migrated_or_refused(name, changes, schedule):
    check(changed(name, changes), schedule)


@pytest.mark.parametrize("name", ["resnet", "voc", "swav", "fine-tuned-vit"])
@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [3], [{}], {"type": 3}, {"a": [None]}])
def test_every_place_may_hold_anything(name, value):
    """Each key and each entry in turn."""
    count = len(list(places(listed(OLD_CONFIGS[name]))))
    for i in range(count):
        cfg = listed(OLD_CONFIGS[name])
        holder, key = list(places(cfg))[i]
        holder[key] = value
        check(cfg, "guide")
