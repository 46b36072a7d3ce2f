"""Numbers to words and to the sheet: percentiles with their count, tables, results, and figures with the goal they are held
against. Pure; README.md beside perf/run lists the fields."""

# In the order of the sheet. Fewer values than these have no such percentile: it would only be the maximum again.
PERCENTILES = (("p50", 50, 1), ("p90", 90, 10), ("p95", 95, 20), ("p99", 99, 100), ("p99_9", 99.9, 1000))


def percentile(values, p):
    """Nearest rank, so that it is a value that was measured."""
    ranked = sorted(values)
    # Ten times p is whole: no rounding error moves the rank.
    return ranked[min(len(ranked) - 1, max(0, -(-len(ranked) * round(p * 10) // 1000) - 1))] if ranked else float("nan")


def spread(values):
    """count, percentiles and max of `values`; None for a percentile that so few values do not have."""
    found = {"count": len(values)}
    for name, p, enough in PERCENTILES:
        found[name] = percentile(values, p) if len(values) >= enough else None
    return {**found, "max": max(values, default=None)}


def result(sender, what, unit, values=None, **more):
    """One line of a measurement: a spread of `values`, or `value=` alone, and what else is known of it."""
    return {"sender": sender, "what": what, "unit": unit, **(spread(values) if values is not None else {}), **more}


def figure(name, what, value, unit, floors, limit=None, goal=None):
    """One line of the summary. `name` stays the same over all commits; `floors` are numbers of the same run, by sender;
    met: `value` is at most `limit`; None without a limit or value."""
    met = None if limit is None or value is None or value != value else value <= limit
    return {"id": name, "what": what, "value": value, "unit": unit, "floors": floors, "limit": limit, "goal": goal or "", "met": met}


def measured(title, results, text, figures=(), rounds=1, **more):
    """What a measurement gives back; perf/run adds its part, duration and load."""
    return {"title": title, "rounds": rounds, **more, "results": list(results), "text": text, "figures": list(figures)}


def table(head, rows):
    """Markdown; the first column is text, the others are numbers."""
    cells = [[show(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]

    def line(row):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths))
        return "| " + " | ".join([row[0].ljust(widths[0]), *others]) + " |"

    rule = "|" + "|".join("-" * (w + 1) + ("-" if n == 0 else ":") for n, w in enumerate(widths)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])]) + "\n"


def show(cell):
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 10_000 else f"{cell:.2f}"
