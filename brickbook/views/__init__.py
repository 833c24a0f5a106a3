"""A value in, a figure, a table or a page out; nothing is computed twice and nothing is kept.

Import what is needed from its module: `figures` loads plotly and `tables` pandas, while `page`,
`grid` and `markup` need neither.
"""
