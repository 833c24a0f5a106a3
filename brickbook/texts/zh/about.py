"""What the rules of the diagnosis are about, a title and a paragraph each, in Chinese."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

__all__ = ["ABOUT"]

ABOUT: dict[str, str] = {
    "about.not-finite.title": "NaN 或 Inf",
    "about.not-finite.threshold": "一个元素",
    "about.not-finite.explain": "某个参数或输出含有 NaN 或 Inf。由它计算出的一切也会变成 NaN，只"
    "要训练一步就会扩散到所有权重。它来自除以零或对零取对数，来自过大的权重（使信号超出数据类型"
    "的范围，float16 的上限是 65504），或者来自从未被写入的内存。应当从最早出现它的那一层查起。",
    "about.symmetric.title": "学到相同内容的单元",
    "about.symmetric.threshold": "权重的各行全部相同，偏置也相同",
    "about.symmetric.explain": "权重矩阵的每一行是一个单元。行相同、偏置也相同的单元给出相同的输"
    "出；如果下一层对它们也一视同仁，它们就得到相同的梯度：无论训练多久，它们始终是彼此的副本，"
    "这样的 512 个单元学到的并不比一个多。因此权重的初始值必须各不相同，随机数正是为此而用；偏置"
    "可以全为 0。如果下一层的权重各不相同，第一步就会打破对称，这时只给出警告。最后一层不检查："
    "它的每个单元有各自的目标。来源：Goodfellow, Bengio & Courville 2016, Deep Learning, §8.4。",
    "about.zeros.title": "停止学习的零权重",
    "about.zeros.threshold": "权重的所有元素为 0，偏置也为 0，且梯度同样为 0",
    "about.zeros.explain": "从零开始的层只要能得到梯度，并且输入不为 0，就能学习：输出层如此，残"
    "差分支的最后一层也如此，这时残差块一开始就是恒等映射（Goyal et al. 2017, §5.1；Zhang et "
    "al. 2019, Fixup）。这些情况不会报告，为零的偏置和归一化层的零缩放也不会报告。有两种情况会永"
    "远停止学习：ReLU 之前的零（ReLU 在 0 处的斜率为 0），以及相连的两层零，它们互相等待：任一层"
    "的梯度都是与另一层的权重或输出的乘积。",
    "about.dead.title": "死亡的单元",
    "about.dead.threshold": "超过 {low} 的单元，从 {high} 起为错误；每个单元至少 {samples} 个样本",
    "about.dead.explain": "如果一个单元的整流激活对整批数据都输出 0，这个单元就是死亡的：没有梯"
    "度流过它，它的权重也不再改变。正常情况下 ReLU 的输出有一半为 0，但并不总是同一个单元的输出。"
    "远小于 0 的偏置，或均值不为 0 的权重，会使单元一开始就死亡；过高的学习率则会在之后造成死亡。"
    "在没有归一化层的极深网络中，所有样本会变得相似，于是有些单元对所有样本都输出 0。换一批数据，"
    "比例可能不同：这里的死亡只针对这一批数据。来源：Lu et al. 2019, Dying ReLU and "
    "initialization, arXiv 1903.06733。",
    "about.depth.title": "信号消失或爆炸",
    "about.depth.threshold": "某一层与其后所有层之间相差 {low} 倍，从 {high} 倍起为错误",
    "about.depth.explain": "每一层都会把输入的标准差乘以某个因子；这些因子随深度连乘，所以 0.5 "
    "在 10 层之后只剩千分之一，而 2 会变成一千倍。信号消失后，最后几层就得不到关于输入的任何信息；"
    "信号爆炸则以 Inf 告终，或使后面的激活饱和。比较的是两个归一化层之间带权重的层的输出，因为归"
    "一化层会重新开始；只有当至少三层（增大时为两层，后面有归一化层弥补时为五层）一直超出这个倍"
    "数，并且途中没有回落 2 倍，才会报告，所以跳跃连接旁边的小分支不算。补救办法是采用标准差为 "
    "gain / √fan_in 的分布，或使用归一化层。来源：Glorot & Bengio 2010, §4.2.1；He et al. 2015, "
    "§2.2。",
    "about.gradients.title": "梯度消失或爆炸",
    "about.gradients.threshold": "最前几层与最后几层输出处的梯度范数相差 {low} 倍，从 {high} 倍"
    "起为错误",
    "about.gradients.explain": "反向传播时，梯度会依次乘以每一层的权重和每个激活的斜率。如果这些"
    "乘积小于 1，最前面的层几乎得不到梯度，学不到东西；如果大于 1，它们就会剧烈震荡。比较的是各"
    "层输出处梯度的长度（范数），它与各层特征图的大小无关；只有当最前面的层（三层以上，增大时为"
    "两层）全部超出这个倍数，才会报告：有跳跃连接时，无论分支如何，梯度都能到达那里。如果梯度在"
    "最后一层之后就已经为 0（例如输出层全为零），则不作判断。来源：Glorot & Bengio 2010, §4.2；"
    "Hochreiter et al. 2001, Gradient flow in recurrent nets。",
    "about.saturated.title": "饱和的激活",
    "about.saturated.threshold": "超过 {low} 的输出与边界相差不到 0.03",
    "about.saturated.explain": "tanh 在 ±1 附近、sigmoid 在 0 和 1 附近是平坦的：输出落在那里时，"
    "斜率几乎为 0，梯度也几乎为 0。权重过大时就会这样：标准差为 1、有 500 个输入时，进入激活的值"
    "的标准差为 22。按推荐的增益 5/3，第一层最多约有三分之一的输出饱和。来源：Glorot & Bengio "
    "2010, §3；边界 0.97 取自 Karpathy, makemore part 3。",
    "about.gain.title": "增益与激活不匹配",
    "about.gain.threshold": "一条链上的乘积偏离 {low} 倍（提示）或 {high} 倍（警告）；tanh 或 "
    "sigmoid 之前的增益与整流激活的增益相差不到 {near}（提示）",
    "about.gain.explain": "一个有 n 个输入、权重标准差为 s 的层，会把输入的大小乘以 s·√n，这就是"
    "它的增益。激活会减小信号，所以需要增益来补偿：ReLU 使二阶矩减半，需要 √2（He et al. 2015, "
    "eq. 10）；tanh 需要 5/3，或按 Glorot & Bengio 2010, eq. 12 为 1；SELU 需要 3/4，或按 "
    "Klambauer et al. 2017 为 1。不匹配的增益会随深度连乘，因此判断的是一条链上各层增益的乘积，"
    "从第二层算起，因为输入的大小取决于数据。归一化层之前的层不计入：归一化会抵消任何增益。模型"
    "没有给出先后顺序的层也不计入：它们必须位于 nn.Sequential 或 ConvModule 中。如果标准差适合的"
    "是输出的个数（fan_out），会另外说明：这样的初始化保持的是梯度，而不是信号。",
    "about.law.title": "标准差与分布不符",
    "about.law.threshold": "|实测 / 分布 − 1| > {slack} + {errors}·√((κ − 1) / 4n)",
    "about.law.explain": "计划说明每个张量按哪个分布写入，因而也说明了预期的标准差。n 个随机数的"
    "标准差与其分布的标准差之间，相对误差约为 √((κ − 1) / 4n)，其中 κ 是峰度（正态分布为 3，即 "
    "1/√(2n)）。超出六倍这样的误差再加百分之二，就不可能是偶然：在按分布写入之后，又有别的东西写"
    "入了这个张量，例如钩子、自己的代码、检查点或训练。之后可能被检查点、自己的代码或数据改变的"
    "张量不检查。",
    "about.unmatched.title": "没有作用的规则",
    "about.unmatched.threshold": "规则中有一个名称什么也匹配不到",
    "about.unmatched.explain": "配置中的某条规则提到了模型里没有的类、层或参数，或者提到的对象没"
    "有可以写入的内容。这条规则什么也不做，也不会报错；多半是拼写错误，或者这一层在这个模型里叫"
    "别的名字。提示中会给出最接近的已知名称。",
    "about.untouched.title": "没有规则涉及的参数",
    "about.untouched.threshold": "一个既不属于归一化层、也没有冻结的参数",
    "about.untouched.explain": "配置提到了一些层，没有提到另一些层；没有提到的层保持构建模型时由"
    "它们的类给出的值，对 torch 自带的层来说就是 U(±1/√fan_in)。这也许正是想要的，但对注意力层、"
    "嵌入层或模型自己的参数来说很容易被忽略。归一化层不计入：它们本来就从 1 和 0 开始。",
}
