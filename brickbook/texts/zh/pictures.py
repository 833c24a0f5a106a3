"""What the pictures say, in Chinese: of one tensor, of the signals through depth, of costs."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

__all__ = ["PICTURES"]

PICTURES: dict[str, str] = {
    "figure.value": "值",
    "figure.elements": "每个区间的元素数",
    "figure.density": "密度",
    "figure.from": "从 {low} 起：{count}",
    "depth.std": "输出的标准差",
    "depth.grad": "梯度的标准差",
    "depth.order": "层（按运行顺序）",
    "depth.signals": "信号",
    "depth.dead": "死亡",
    "depth.saturated": "饱和",
    "depth.or": "或",
    "depth.after": "{layer} 之后：{share} {why}",
    "depth.no_outputs": "没有输出",
    "depth.told": "各层的信号：{told}",
    "depth.semicolon": "；",
    "depth.nothing": "没有数值",
    "depth.at": "{layer} 处标准差为 {std}",
    "depth.to": "{text}，{layer} 处为 {std}",
    "depth.layers": "{text}（{n} 层）",
    "depth.lost": "{text}，{layer} 之后最多有 {share} {why}",
    "cost.macs": "乘加次数",
    "cost.params": "参数量",
    "cost.activations": "激活内存（字节）",
    "cost.order": "模块（按模型中的顺序）",
    "cost.told": "{name}（{kind}）：{count}，占总量的 {share}",
    "picture.told": "{n} 个直方图，之前与之后",
    "static.line": "{title}。{told}",
    "static.some": "{told}（图中显示 {n} 个参数中的 {shown} 个）",
    "static.fold": "显示为表格",
    "static.tensor": "张量",
    "static.before": "之前的直方图",
    "static.after": "之后的直方图",
    "static.nothing": "尚未初始化。",
}
