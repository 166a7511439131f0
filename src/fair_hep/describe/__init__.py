"""How a project describes itself: the facts are gathered once (`facts`) and rendered in every format (`write`).

One module writes each format; `index` gathers bundles into a page.
"""
