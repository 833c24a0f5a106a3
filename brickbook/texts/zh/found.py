"""What the diagnosis finds, a sentence each, in Chinese."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

__all__ = ["FOUND"]

FOUND: dict[str, str] = {
    "list.comma": "、",
    "list.more": "{names} 等，另有 {more} 个",
    "found.not-finite.weights": "{count} 个参数含有 NaN 或 Inf：{names}。",
    "found.not-finite.weights.one": "{names} 含有 NaN 或 Inf：{size} 个元素中有 {bad} 个。",
    "found.not-finite.signals": "NaN 或 Inf 最早出现在 {names} 之后：{size} 个元素中有 {bad} 个；"
    "共有 {count} 个输出含有它们。",
    "found.not-finite.signals.one": "NaN 或 Inf 出现在 {names} 之后：{size} 个元素中有 {bad} 个。",
    "found.symmetric.kept": "{count} 个权重的各行全部相同，而后面的层对它们也一视同仁：这些单元"
    "学到的东西完全一样（{names}）。",
    "found.symmetric.kept.one": "{names} 的 {rows} 行全部相同，而下一层对它们也一视同仁：这些单"
    "元学到的东西完全一样。",
    "found.symmetric.broken": "{count} 个权重的各行全部相同；只有后面的层能区分它们（{names}）。",
    "found.symmetric.broken.one": "{names} 的 {rows} 行全部相同；只有下一层能区分这些单元。",
    "found.zeros.rectified": "整流激活之前有 {count} 个权重全为零：它们得不到梯度，信号也无法通"
    "过（{names}）。",
    "found.zeros.rectified.one": "{names} 位于整流激活之前，且全为零：它得不到梯度，信号也无法通"
    "过。",
    "found.zeros.chain": "相连的 {count} 个权重全为零：每一个的梯度都因其他权重而为零（{names}）。",
    "found.zeros.all": "全部 {count} 个权重都为零：没有一个能得到梯度（{names}）。",
    "found.dead": "{count} 个整流激活之后有超过 {least} 的单元死亡，最多的是 {worst} 之后的 "
    "{share}（{names}）。",
    "found.dead.one": "{worst} 之后有 {share} 的单元死亡（{units} 个中有 {dead} 个，每个 "
    "{samples} 个样本）。",
    "found.depth.vanishes": "信号的标准差到第 {layer} 层（{at}）缩小到 1/{threshold}，到 {last} "
    "缩小到 1/{factor}：从 {high} 降到 {low}。",
    "found.depth.explodes": "信号的标准差到第 {layer} 层（{at}）增大 {threshold} 倍，到 {last} "
    "增大 {factor} 倍：从 {low} 升到 {high}。",
    "found.depth.stops": "从第 {layer} 层（{at}）起，输入的信息完全消失：直到 {last}，信号的标准"
    "差都为 0。",
    "found.gradients.vanishes": "梯度从 {last} 回传到 {first} 时缩小到 1/{factor}：范数从 "
    "{high} 降到 {low}。",
    "found.gradients.explodes": "梯度从 {last} 回传到 {first} 时增大 {factor} 倍：范数从 {low} "
    "升到 {high}。",
    "found.saturated": "{count} 个激活有超过 {least} 的输出饱和，最多的是 {worst}，达 {share}（"
    "{names}）。",
    "found.saturated.one": "{worst} 有 {share} 的输出饱和。",
    "found.gain.low": "{activation} 之前的 {count} 层增益（std·√fan_in）为 {gain}，而需要的是 "
    "{needed}：从 {first} 到 {last} 累计只有所需的 1/{factor}。",
    "found.gain.high": "{activation} 之前的 {count} 层增益（std·√fan_in）为 {gain}，而需要的是 "
    "{needed}：从 {first} 到 {last} 累计达到所需的 {factor} 倍。",
    "found.gain.low.one": "{last} 的增益（std·√fan_in）为 {gain}，而后面的 {activation} 需要 "
    "{needed}：只有所需的 1/{factor}。",
    "found.gain.high.one": "{last} 的增益（std·√fan_in）为 {gain}，而后面的 {activation} 需要 "
    "{needed}：达到所需的 {factor} 倍。",
    "found.gain.fan_out.low": "{activation} 之前的 {count} 层的标准差适合 fan_out，而不适合 "
    "fan_in：对信号来说，从 {first} 到 {last} 累计只有所需的 1/{factor}。",
    "found.gain.fan_out.high": "{activation} 之前的 {count} 层的标准差适合 fan_out，而不适合 "
    "fan_in：对信号来说，从 {first} 到 {last} 累计达到所需的 {factor} 倍。",
    "found.gain.fan_out.low.one": "{activation} 之前的 {last} 的标准差适合 fan_out，而不适合 "
    "fan_in：对信号来说，只有所需的 1/{factor}。",
    "found.gain.fan_out.high.one": "{activation} 之前的 {last} 的标准差适合 fan_out，而不适合 "
    "fan_in：对信号来说，达到所需的 {factor} 倍。",
    "found.gain.foreign": "{count} 层的增益为 {gain}，这是 ReLU 的增益，而后面是 {activation}，"
    "需要 {needed}（{names}）。",
    "found.gain.foreign.one": "{names} 的增益为 {gain}，这是 ReLU 的增益，而后面是 {activation}，"
    "需要 {needed}。",
    "found.gain.or": "{first} 或 {second}",
    "found.gain.to": "{first} 到 {second}",
    "found.law": "{count} 个参数的标准差与其分布不符，相差最大的是 {worst}：实测 {found}，应为 "
    "{wanted}（{names}）。",
    "found.law.one": "{names} 的标准差为 {found}，而 {law} 的标准差为 {wanted}（{n} 个元素）。",
    "found.unmatched": "{path}：{problem}",
    "found.untouched": "{count} 个参数保持不变，没有规则涉及 {kinds}：{names}。",
    "found.untouched.one": "{names} 保持不变，没有规则涉及 {kinds}。",
}
