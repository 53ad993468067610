"""Prints the modules beside a script that it imports, also by way of one another: one name a line."""
import ast
import pathlib
import sys

script = pathlib.Path(sys.argv[1]).resolve()
found, left = [], [script]
while left:
    file = left.pop()
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        continue
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module)
    for name in names:
        top = name.split(".")[0]
        module, package = script.parent / f"{top}.py", script.parent / top
        # A folder without __init__.py is what Python looks for last.
        if package.is_dir() and ((package / "__init__.py").is_file() or top not in sys.stdlib_module_names):
            files = sorted(package.rglob("*.py"))
            if files and package not in found:
                found.append(package)
                left += files
        elif module.is_file() and module != script and module not in found:
            found.append(module)
            left.append(module)
for path in sorted(found):
    print(path.name)
