"""Reads a GitHub workflow: it is YAML, asks for no more rights than it says, and pins every action by commit.

Usage: workflow.py FILE. Without PyYAML only the pins are checked. Not a substitute for a run on GitHub.
"""

import re
import sys

text = open(sys.argv[1], encoding="utf-8").read()
wrong = []
uses = re.findall(r"^\s*-?\s*uses:\s*(\S+)(.*)$", text, re.MULTILINE)
if not uses:
    wrong.append("no action is used at all")
for action, comment in uses:
    if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action):
        wrong.append(f"{action} is not pinned by commit")
    elif not re.search(r"# v\d", comment):
        wrong.append(f"{action} does not say which version that is")
try:
    import yaml
except ImportError:
    print("no PyYAML here: only the pins were checked")
else:
    workflow = yaml.safe_load(text)
    if workflow.get("permissions") != {}:
        wrong.append("rights are not denied by default")
    for name, job in workflow["jobs"].items():
        if "timeout-minutes" not in job or "permissions" not in job:
            wrong.append(f"job {name} has no limit of time or rights")
        for step in job["steps"]:
            if ("uses" in step) == ("run" in step):
                wrong.append(f"job {name}: a step must either use or run: {step}")
    # YAML 1.1 reads the key "on" as true.
    if workflow.get("on", workflow.get(True)) != {"push": {"tags": ["v*"]}}:
        wrong.append("it is not started by tags v* alone")
print("\n".join(wrong) or "fine")
sys.exit(bool(wrong))
