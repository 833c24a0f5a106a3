"""What a live panel says of work in the background and of files, in Chinese."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

__all__ = ["LIVE"]

LIVE: dict[str, str] = {
    "live.looking": "诊断：正在查看……",
    "live.look": "正在查看所有权重……",
    "live.look_stopped": "已停止：没有查看全部权重。",
    "live.running": "正在用批次做前向和反向传播……",
    "live.stopped": "已停止：对这个批次一无所知。",
    "live.stop_tip": "在当前层结束后停止；模型保持不变",
    "live.input_tip": "N(0, 1) 随机批次的形状，批大小在前；或者存有批次的变量的名称",
    "live.given": "已给定：{shapes}",
    "live.failed": "{error}（保存在 last_error 中）",
}
