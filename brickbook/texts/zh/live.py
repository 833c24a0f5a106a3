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
    "export.title": "导出",
    "export.tip": "把显示的内容写入笔记本旁边的文件",
    "export.html": "包含全部内容的单个网页，无需笔记本即可打开",
    "export.csv": "每个张量的数值，每个一行",
    "export.json": "对比结果，可用 brickbook.views.exports.from_json 读回",
    "export.svg": "矢量形式的直方图",
    "export.png": "图片形式的直方图；由浏览器绘制，需要几秒",
    "export.writing": "正在写入 {kind}……",
    "export.written": "已写入：{name}（{size}），位于 {path}",
    "export.stop_tip": "不留下文件",
    "live.changed": "{n} 个张量被此面板之外的代码修改：{names}。",
    "live.stale": "此后有 {n} 个张量被其他代码修改：{names}。再次按“{button}”将覆盖它们。",
    "live.fallback": "这是一个实时面板：重新运行其单元格即可使用。以它的 static() 结尾的单元格"
    "会把完整的图保存在笔记本中。",
}
