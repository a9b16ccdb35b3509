"""What the source of this project may not do, found by parsing it; nothing here imports what it judges.

Each check takes one ``Module`` (``cycles`` takes many) and returns the lines that break the rule. Which rule
holds for which file is written in ``test_house.py``.

Limits: a check reads what is written, not what runs. It does not see a name reached through ``getattr`` or
through a re-export of ours.
"""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import networkx
from attrs import frozen


@frozen(kw_only=True)
class Module:
    """One source file, parsed."""

    path: str
    """Relative to the repository, with forward slashes."""

    tree: ast.Module

    @classmethod
    def parse(cls, path: str, source: str) -> "Module":
        """Return the module that *source* would be if it stood at *path*."""
        return cls(path=path, tree=ast.parse(source, filename=path))

    @property
    def dotted(self) -> str:
        """The name by which it is imported: ``planner.ports`` for ``planner/ports.py``."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def package(self) -> str:
        """The top-level folder that it lives in."""
        return self.path.partition("/")[0]


@frozen(order=True)
class Offence:
    """One line that breaks a rule. Sorts by place."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def read_modules(root: Path, folders: Iterable[str]) -> list[Module]:
    """Return the Python files under those *folders* of *root* that exist, in order of their paths."""
    files = sorted(file for folder in folders for file in (root / folder).rglob("*.py"))
    return [Module.parse(file.relative_to(root).as_posix(), file.read_text("utf-8")) for file in files]


def is_or_is_in(name: str, parents: Iterable[str]) -> bool:
    """Return whether dotted *name* is one of *parents* or lies below one: ``http.client`` is in ``http``."""
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def imports_of(module: Module, *, forbidden: Collection[str]) -> list[Offence]:
    """Return the imports, at any depth, of a *forbidden* module or of one below it."""
    return [
        Offence(module.path, line, f"imports {name}")
        for line, name in _imports(module.tree)
        if is_or_is_in(name, forbidden)
    ]


def hidden_imports(module: Module, *, allowed: Collection[str] = ()) -> list[Offence]:
    """Return the imports written inside functions, apart from those of *allowed* modules."""
    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    hidden = {found for function in functions for found in _imports(function)}
    return sorted(
        Offence(module.path, line, f"imports {name} inside a function")
        for line, name in hidden
        if not is_or_is_in(name.partition(" ")[0], allowed)
    )


def uses_of(module: Module, *, forbidden: Collection[str]) -> list[Offence]:
    """Return the lines that mention a *forbidden* name, called or handed over as a value.

    Names are dotted and full (``datetime.datetime.now``); builtins stand alone (``open``). Imports and their
    aliases are followed.
    """
    meanings = _imported_names(module.tree)
    mentions = (
        (node.lineno, _full_name(node, meanings))
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name | ast.Attribute)
    )
    return sorted(Offence(module.path, line, f"uses {name}") for line, name in mentions if name in forbidden)


def bare_excepts(module: Module) -> list[Offence]:
    """Return the ``except:`` clauses that name no error."""
    return [
        Offence(module.path, node.lineno, "catches everything")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]


def missing_head(module: Module) -> list[Offence]:
    """Return the first line if no docstring says what lives in the module."""
    return [] if ast.get_docstring(module.tree) else [Offence(module.path, 1, "has no docstring at its head")]


def wordless_tests(module: Module) -> list[Offence]:
    """Return the test functions whose docstring is missing or is no sentence."""
    return [
        Offence(module.path, node.lineno, f"{node.name} does not say in a sentence what is true")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").endswith(".")
    ]


def cycles(modules: Collection[Module]) -> list[str]:
    """Return the loops of imports among *modules*, each as its sorted names.

    Importing ``a.b`` runs ``a`` first, but is not counted as importing ``a``: only what is written counts.
    """
    known = {module.dotted for module in modules}
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for module in modules:
        targets = {_closest(name, known) for _, name in _imports(module.tree)}
        graph.add_edges_from((module.dotted, target) for target in targets if target is not None)
    loops = [loop for loop in networkx.strongly_connected_components(graph) if len(loop) > 1]
    alone = [{name} for name in networkx.nodes_with_selfloops(graph)]
    return sorted(" <-> ".join(sorted(loop)) for loop in [*loops, *alone])


def texts_in(path: str, content: bytes, *, forbidden: Collection[bytes]) -> list[Offence]:
    """Return the lines of a file that hold one of the *forbidden* texts, as a word of its own.

    ``/srv/me`` is found in ``/srv/me/file`` and not in ``/srv/menu``.
    """
    return [
        Offence(path, number, f"holds {text.decode()}")
        for text in forbidden
        if text in content
        for number, line in enumerate(content.splitlines(), start=1)
        if _holds_word(line, text)
    ]


def _holds_word(line: bytes, text: bytes) -> bool:
    before, found, after = line.partition(text)
    while found:
        if not before[-1:].isalnum() and not after[:1].isalnum():
            return True
        before, found, after = after.partition(text)
    return False


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and full name of each import; ``from a import b`` is ``a.b``, module or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # Relative imports are kept out by the linter, so that no name needs resolving here.
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _imported_names(tree: ast.Module) -> Mapping[str, str]:
    """Return what each name that an import binds stands for, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _full_name(node: ast.expr, meanings: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return meanings.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = _full_name(node.value, meanings)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def _closest(name: str, known: Collection[str]) -> str | None:
    """Return the longest known module that *name* is or lies in."""
    while name not in known:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name
