"""Every error code and every rule that the source can name, found by reading it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imgrepl
from imgrepl import errors
from imgrepl.errors import ImgreplError

SOURCE = Path(imgrepl.__file__).parent
NOT_MET = "testing/"
"""The room whose errors no user meets."""

PASSED_ON = {"cli/images.py": "the rule that the report names"}
"""Where a word is passed on that was found where it came from; `error.code` always is."""

NO_ERRORS = {"_Answer"}
"""What takes a code as well and is no error: a server's answer, in S3's words."""

_WORD = re.compile(r"[A-Z][A-Za-z0-9]+")
_CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, ImgreplError)
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Named:
    """A word at one place of the source; `exit_status` only where an error carries it."""

    word: str
    exit_status: int | None
    where: str


@dataclass(frozen=True)
class Forwarder:
    """A function that takes a word as an argument and makes an error or a problem of it."""

    function: str
    argument: str
    position: int
    exit_status: int | None


def codes() -> list[Named]:
    """Every place that names an error's code. Raises `LookupError` for one it cannot read."""
    defaults = [
        Named(kind.default_code, kind.exit_status, "errors.py") for kind in _CLASSES.values()
    ]
    return [*defaults, *_named("code")]


def rules() -> list[Named]:
    """Every place that names the rule of a problem that does not keep an image from being read."""
    return list(_named("rule"))


class _Module:
    """One file of the source, with what its names stand for."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(SOURCE).as_posix()
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants: dict[str, list[str]] = {}
        self.classes = dict(_CLASSES)
        for node in self.tree.body:
            self._learn(node)

    @property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    def status_of(self, call: ast.Call) -> int | None:
        kind = self.classes.get(_called(call))
        return None if kind is None else kind.exit_status

    def _learn(self, node: ast.stmt) -> None:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in _CLASSES:
                    self.classes[alias.asname or alias.name] = _CLASSES[alias.name]
        elif isinstance(node, ast.ClassDef):
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id in self.classes:
                    self.classes[node.name] = self.classes[base.id]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name):
                self.constants[target.id] = list(_words_in(node.value))


@cache
def _modules() -> list[_Module]:
    modules = [_Module(path) for path in sorted(SOURCE.rglob("*.py"))]
    return [module for module in modules if not module.name.startswith(NOT_MET)]


def _named(keyword: str) -> Iterator[Named]:
    modules = _modules()
    constants = {name: words for module in modules for name, words in module.constants.items()}
    forwarders = {one.function: one for module in modules for one in _forwarders(module, keyword)}
    for module in modules:
        for function in module.functions:
            yield from _in_function(module, function, keyword, constants, forwarders)


def _forwarders(module: _Module, keyword: str) -> Iterator[Forwarder]:
    for function in module.functions:
        names = _parameters(function)
        for call in _calls(function):
            given = _keyword(call, keyword)
            if isinstance(given, ast.Name) and given.id in names:
                status = module.status_of(call)
                yield Forwarder(function.name, given.id, names.index(given.id), status)


def _in_function(
    module: _Module,
    function: Function,
    keyword: str,
    constants: dict[str, list[str]],
    forwarders: dict[str, Forwarder],
) -> Iterator[Named]:
    for call in _calls(function):
        forwarder = forwarders.get(_called(call))
        if forwarder is None:
            given, status = _keyword(call, keyword), module.status_of(call)
        else:
            given, status = _argument(call, forwarder), forwarder.exit_status
        if given is None or _called(call) in NO_ERRORS:
            continue
        words = _values(given, function, constants)
        if not words and not _is_passed_on(given, function) and module.name not in PASSED_ON:
            raise LookupError(f"{module.name}:{call.lineno}: which {keyword} is {ast.dump(given)}?")
        for word in words:
            yield Named(word, status, f"{module.name}:{call.lineno}")


def _values(given: ast.expr, function: Function, constants: dict[str, list[str]]) -> list[str]:
    """What an expression can be: words in it, of a constant, or of what a loop goes through."""
    if not isinstance(given, ast.Name):
        return list(_words_in(given))
    if given.id in constants:
        return constants[given.id]
    for node in ast.walk(function):
        if isinstance(node, ast.For) and given.id in _names_in(node.target):
            return [word for name in _names_in(node.iter) for word in constants.get(name, [])]
        if isinstance(node, ast.Assign) and given.id in _names_in(node.targets[0]):
            return list(_words_in(node.value))
    return []


def _is_passed_on(given: ast.expr, function: Function) -> bool:
    """Whether the word comes from the caller, or from an error that was caught."""
    if isinstance(given, ast.Attribute):
        return given.attr == "code"
    return isinstance(given, ast.Name) and given.id in _parameters(function)


def _parameters(function: Function) -> list[str]:
    spec = function.args
    names = [one.arg for one in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    return [name for name in names if name not in {"self", "cls"}]


def _calls(function: Function) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    name = call.func
    return name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def _argument(call: ast.Call, forwarder: Forwarder) -> ast.expr | None:
    if forwarder.position < len(call.args):
        return call.args[forwarder.position]
    return _keyword(call, forwarder.argument)


def _words_in(node: ast.AST) -> Iterator[str]:
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return (text for text in texts if isinstance(text, str) and _WORD.fullmatch(text))


def _names_in(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
