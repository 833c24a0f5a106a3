"""The law that an initialiser gives for a shape."""

from brickbook.init.initializers import Target


def law_of(init, shape):
    return init.law(Target("weight", tuple(shape)))
