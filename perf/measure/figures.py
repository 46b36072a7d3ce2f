"""Numbers to words: percentiles with their count, tables, and figures with the goal they are held against. Pure."""


def percentile(values, p):
    """Nearest rank, so that it is a value that was measured."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -(-len(ranked) * p // 100) - 1))] if ranked else float("nan")


def spread(values):
    """count, p50, p95, p99, max of `values`."""
    return {
        "count": len(values),
        "p50": percentile(values, 50),
        "p95": percentile(values, 95),
        "p99": percentile(values, 99),
        "max": max(values, default=float("nan")),
    }


def figure(what, value, unit, floor, goal, met):
    """One line of the summary. `floor` and `goal` are sentences; `met` is True, False or None (not held against one)."""
    return {"what": what, "value": value, "unit": unit, "floor": floor, "goal": goal, "met": met}


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
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
