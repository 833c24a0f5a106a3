"""What the rules of the diagnosis are about, a title and a paragraph each, in English."""

from __future__ import annotations

__all__ = ["ABOUT"]

ABOUT: dict[str, str] = {
    "about.not-finite.title": "NaN or Inf",
    "about.not-finite.threshold": "one element",
    "about.not-finite.explain": "A parameter or an output holds NaN or Inf. Whatever is computed "
    "from it becomes NaN as well, and one training step spreads it to all weights. It comes from "
    "a division by zero or the logarithm of zero, from weights so large that the signals leave "
    "the range of the dtype (float16 ends at 65504), or from memory that nothing has filled. The "
    "first layer in which it shows is the place to look.",
    "about.symmetric.title": "Units that learn the same",
    "about.symmetric.threshold": "all rows of a weight equal, their biases too",
    "about.symmetric.explain": "Each row of a weight matrix is one unit. Units with equal rows "
    "and equal biases give equal outputs, and if the next layer also treats them alike they get "
    "equal gradients: they stay copies of each other however long the training lasts, and a layer "
    "of 512 such units learns no more than one. Weights must therefore start different, which is "
    "what random numbers are for; biases may all be 0. If the next layer's weights differ, they "
    "break the symmetry at the first step, and it is a warning only. The last layer is not looked "
    "at: its units have targets of their own. Source: Goodfellow, Bengio & Courville 2016, Deep "
    "Learning, §8.4.",
    "about.zeros.title": "Zero weights that stop learning",
    "about.zeros.threshold": "all elements of a weight 0, its bias too, where the gradient is 0 "
    "as well",
    "about.zeros.explain": "A layer that starts with zeros learns if a gradient reaches it and "
    "something else than 0 goes into it: so does an output layer, and the last layer of a "
    "residual branch, whose block then starts as the identity (Goyal et al. 2017, §5.1; Zhang et "
    "al. 2019, Fixup). These are never reported, nor are zero biases and zero scales of norms. "
    "Two cases stop for good: zeros before a ReLU, whose slope at 0 is 0, and two layers of zeros "
    "in a row, each of which waits for the other: the gradient of either is a product with the "
    "other's weights or outputs.",
    "about.dead.title": "Dead units",
    "about.dead.threshold": "more than {low} of the units, an error from {high}; each with "
    "{samples} samples or more",
    "about.dead.explain": "A unit is dead if its rectifier gives 0 for the whole batch: then no "
    "gradient flows through it and its weights do not change. Half of the outputs of a ReLU are 0 "
    "when all is well, but not always those of the same unit. Biases far below 0, or weights "
    "whose mean is not 0, kill units at the start; a learning rate that is too high does later. "
    "In very deep networks without norms all samples come to look alike, so that some units are 0 "
    "for all of them. With a batch of other data the share may differ: dead means dead for this "
    "batch. Source: Lu et al. 2019, Dying ReLU and initialization, arXiv 1903.06733.",
    "about.depth.title": "Signals that vanish or explode",
    "about.depth.threshold": "a factor of {low} between a layer and all layers after it, an error "
    "from {high}",
    "about.depth.explain": "Each layer multiplies the standard deviation of its input by some "
    "factor; through depth these factors multiply, so that 0.5 leaves a thousandth after 10 "
    "layers and 2 makes a thousandfold. Signals that vanish tell the last layers nothing about "
    "the input, signals that explode end in Inf or saturate what follows. Compared are the "
    "outputs of layers with weights between two norms, since a norm starts afresh; it counts only "
    "if at least three layers (two, where it grows; five, where a norm makes up for it) stay "
    "beyond the factor and none goes back by 2 on the way, so that a small branch beside a skip "
    "connection does not. The remedy is a law whose std is gain / √fan_in, or norms. Source: "
    "Glorot & Bengio 2010, §4.2.1; He et al. 2015, §2.2.",
    "about.gradients.title": "Gradients that vanish or explode",
    "about.gradients.threshold": "a factor of {low} between the norms by the first layers' "
    "outputs and by the last ones', an error from {high}",
    "about.gradients.explain": "Going back, the gradient is multiplied by each layer's weights "
    "and by the slope of each activation. If these products are below 1 the first layers get a "
    "gradient of almost nothing and do not learn, if above 1 they are thrown about. Compared are "
    "the lengths (norms) of the gradients by the layers' outputs, which do not depend on how "
    "large the pictures are at each layer; it counts only if all of the first layers (three or "
    "more, two where it grows) lie beyond the factor: with skip connections the gradient arrives "
    "there whatever the branches do. Nothing is said where the gradient is 0 already behind the "
    "last layer, as behind an output layer of zeros. Source: Glorot & Bengio 2010, §4.2; "
    "Hochreiter et al. 2001, Gradient flow in recurrent nets.",
    "about.saturated.title": "Saturated activations",
    "about.saturated.threshold": "more than {low} of the outputs within 0.03 of a bound",
    "about.saturated.explain": "A tanh is flat near ±1, a sigmoid near 0 and 1: where the outputs "
    "lie there, the slope is almost 0 and so is the gradient. It happens where the weights are "
    "too large: with a std of 1 and 500 inputs, what goes into the activation has a std of 22. Up "
    "to a third is what the recommended gain of 5/3 gives in the first layer. Source: Glorot & "
    "Bengio 2010, §3; the bound 0.97 is that of Karpathy, makemore part 3.",
    "about.gain.title": "A gain that does not fit the activation",
    "about.gain.threshold": "a product along a chain off by {low} (note) or {high} (warning); a "
    "rectifier's gain within {near} before a tanh or sigmoid (note)",
    "about.gain.explain": "A layer with n inputs whose weights have the standard deviation s "
    "multiplies the size of its input by s·√n, its gain. An activation takes some of it away and "
    "wants it back: a ReLU, which halves the second moment, √2 (He et al. 2015, eq. 10), a tanh "
    "5/3, or 1 as in Glorot & Bengio 2010, eq. 12, a SELU 3/4, or 1 as in Klambauer et al. 2017. "
    "Gains that do not fit multiply through depth, so the product along a chain of layers is "
    "judged, from its second layer on, as the size of the input is the data's affair. Layers "
    "before a norm are left out: it undoes any gain. So are layers whose order the model does not "
    "tell: it must stand in an nn.Sequential or a ConvModule. Where the std fits the number of "
    "outputs instead (fan_out) this is said: such a start keeps the gradients, not the signals.",
    "about.law.title": "A std that is not the law's",
    "about.law.threshold": "|found / law − 1| > {slack} + {errors}·√((κ − 1) / 4n)",
    "about.law.explain": "The plan says which law fills a tensor, and so which standard deviation "
    "to expect. The std of n random numbers misses that of their law by a relative error of about "
    "√((κ − 1) / 4n), where κ is the kurtosis (3 for a normal law: 1/√(2n)). More than six such "
    "errors and two per cent cannot be chance: something has written the tensor after the law, a "
    "hook, own code, a checkpoint or training. Tensors that a checkpoint, own code or data may "
    "change after the law are left out.",
    "about.unmatched.title": "A rule without effect",
    "about.unmatched.threshold": "a name in a rule that matches nothing",
    "about.unmatched.explain": "A rule of the config names a class, a layer or a parameter that "
    "the model does not have, or one that has nothing to fill. The rule does nothing, in silence; "
    "most often it is a spelling mistake, or the layer has another name in this model. The "
    "nearest known name is given.",
    "about.untouched.title": "Parameters that no rule speaks of",
    "about.untouched.threshold": "one parameter that is not a norm's and not frozen",
    "about.untouched.explain": "The config speaks of some layers and not of others; those keep "
    "what their class gave them when the model was built, which for torch's own layers is "
    "U(±1/√fan_in). That may be what is wanted, but it is easily overlooked for an attention, an "
    "embedding or a parameter of the model's own. Norms are left out: they start as 1 and 0 "
    "anyway.",
}
