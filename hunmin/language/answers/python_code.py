"""What a Python answer has: functions, documentation, loops, recursion. Every check reads the syntax tree."""

import ast
import builtins
import io
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator
from functools import lru_cache

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_WRITTEN = (
    *_FUNCTIONS,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AugAssign,
    *_LOOPS,
    ast.Call,
)
_PYTHON_ONLY = (*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)
_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)\n?```", re.DOTALL)
_NO_COMMENT = re.compile(r"#\s*(?:!|-\*-|type:|noqa|pylint|coding[:=])|#\s*$")
_MEMO = re.compile(r"(?:.*_)?(?:memo|cache)s?", re.IGNORECASE)


def code_of(answer: str) -> str:
    """The answer without the fence around it, where it is one fenced block and nothing else."""
    fenced = _FENCED.fullmatch(answer.strip())
    return fenced[1] if fenced else answer


def _syntax_tree(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=256)
def parse(answer: str) -> ast.Module | None:
    """The syntax tree of an answer that is Python code and nothing else; None for anything else.

    A word or a number alone parses as well and is no code: something must be defined, set or called. Nor is
    console.log(1), which is another language's: where nothing is defined or imported, every name is known.
    """
    tree = _syntax_tree(code_of(answer))
    if tree is None or not any(isinstance(node, _WRITTEN) for node in ast.walk(tree)):
        return None
    surely = any(isinstance(node, _PYTHON_ONLY) for node in ast.walk(tree))
    return tree if surely or not undefined_names(tree) else None


@lru_cache(maxsize=256)
def parse_body(answer: str) -> ast.FunctionDef | None:
    """A function whose body the answer is, without the line that begins it; None for anything else.

    The body is indented, and has a statement that can be no word of prose.
    """
    code = code_of(answer)
    if not code[:1].isspace():
        return None
    tree = _syntax_tree("def body():\n" + code)
    function = tree.body[0] if tree and len(tree.body) == 1 else None
    if not isinstance(function, ast.FunctionDef):
        return None
    return None if all(isinstance(node, ast.Expr) for node in function.body) else function


def stands_alone(answer: str) -> bool:
    """Whether it is no body, indented or with a `return` of its own; any prose, and code of any language."""
    code = code_of(answer)
    if code[:1].isspace() and code.lstrip(" \t")[:1] != "\n":
        return False
    tree = _syntax_tree(code)
    return tree is None or not any(isinstance(node, ast.Return) for node in tree.body)


def completes_function(given: str, answer: str) -> bool:
    """Whether a text is the beginning of a Python function, and the answer its body and nothing more."""
    if parse_body(answer) is None:
        return False
    tree = parse(f"{code_of(given).rstrip()}\n{code_of(answer)}")
    return tree is not None and isinstance(tree.body[-1], _FUNCTIONS)


def undefined_names(tree: ast.Module) -> set[str]:
    """Names that are read and that neither the code nor Python itself sets; none after a star import."""
    used: set[str] = set()
    known = {*dir(builtins), "__file__"}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.alias(name="*"):
                return set()
            case ast.alias(name=name, asname=renamed):
                known.add(renamed or name.partition(".")[0])
            case ast.Name(id=str(name)) | ast.arg(arg=str(name)) | ast.MatchMapping(rest=str(name)):
                known.add(name)
            case (
                ast.FunctionDef(name=str(name))
                | ast.AsyncFunctionDef(name=str(name))
                | ast.ClassDef(name=str(name))
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                known.add(name)
    return used - known


def functions(tree: ast.Module) -> list[Function]:
    """Every function and method, nested ones included."""
    return [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]


def defines_function(tree: ast.Module) -> bool:
    """A function stands at the top level."""
    return any(isinstance(node, _FUNCTIONS) for node in tree.body)


def one_function(tree: ast.Module) -> bool:
    """Exactly one function, with nothing beside it but imports."""
    rest = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    return len(rest) == 1 and isinstance(rest[0], _FUNCTIONS) and len(functions(tree)) == 1


def defines_class(tree: ast.Module) -> bool:
    """A class stands at the top level."""
    return any(isinstance(node, ast.ClassDef) for node in tree.body)


def has_docstring(tree: ast.Module) -> bool:
    """Every function and class at the top level has a docstring, and there is one."""
    defined = [node for node in tree.body if isinstance(node, (*_FUNCTIONS, ast.ClassDef))]
    return bool(defined) and all(ast.get_docstring(node) for node in defined)


def has_comments(answer: str) -> bool:
    """A comment for the reader: no shebang, coding line or note to a tool."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code_of(answer)).readline))
    except (tokenize.TokenError, SyntaxError):
        return False
    return any(token.type == tokenize.COMMENT and not _NO_COMMENT.match(token.string) for token in tokens)


def uses_recursion(tree: ast.Module) -> bool:
    """A function calls itself, straight or by way of others of the answer."""
    calls = {function.name: set(_called(function)) for function in functions(tree)}
    for name in calls:
        reached, ahead = set(), set(calls[name])
        while ahead:
            one = ahead.pop()
            if one in calls and one not in reached:
                reached.add(one)
                ahead |= calls[one]
        if name in reached:
            return True
    return False


def _called(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


def uses_loop(tree: ast.Module) -> bool:
    """A for or while statement; comprehensions are none."""
    return any(isinstance(node, _LOOPS) for node in ast.walk(tree))


def has_nested_loops(tree: ast.Module) -> bool:
    """A loop or comprehension inside another, or a comprehension over two."""
    kinds = (*_LOOPS, *_COMPREHENSIONS)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and any(
            isinstance(inner, kinds) for inner in ast.walk(node) if inner is not node
        ):
            return True
        if isinstance(node, _COMPREHENSIONS) and len(node.generators) > 1:
            return True
    return False


def uses_generator(tree: ast.Module) -> bool:
    """A function yields its values."""
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(tree))


def uses_comprehension(tree: ast.Module) -> bool:
    """A list, set or dict comprehension or a generator expression."""
    return any(isinstance(node, _COMPREHENSIONS) for node in ast.walk(tree))


def uses_memoization(tree: ast.Module) -> bool:
    """functools.cache or lru_cache on a function, or a memo or cache that is looked up and filled."""
    decorators = {_last_name(item) for function in functions(tree) for item in function.decorator_list}
    return bool(decorators & {"cache", "lru_cache"}) or any(
        _MEMO.fullmatch(name) for name in _filled(tree) & _looked_up(tree)
    )


def _filled(tree: ast.Module) -> set[str]:
    """Names x of x[key] = value."""
    targets = (target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets)
    return {_last_name(target.value) for target in targets if isinstance(target, ast.Subscript)}


def _looked_up(tree: ast.Module) -> set[str]:
    """Names x of key in x, and of x.get(key)."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            names.add(_last_name(node.comparators[0]))
        elif isinstance(node, ast.Attribute) and node.attr == "get":
            names.add(_last_name(node.value))
    return names


def _last_name(node: ast.expr) -> str:
    """`cache` of cache, functools.cache, functools.cache(...)."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def has_usage_example(tree: ast.Module) -> bool:
    """A call, assertion or doctest that shows a function or class of the answer at work."""
    names = {node.name for node in tree.body if isinstance(node, (*_FUNCTIONS, ast.ClassDef))}
    if any(">>> " in (ast.get_docstring(node) or "") for node in functions(tree)):
        return True
    outside = [node for node in tree.body if not isinstance(node, (*_FUNCTIONS, ast.ClassDef))]
    return any(
        isinstance(node, ast.Call) and _last_name(node) in names
        for statement in outside
        for node in ast.walk(statement)
    )


def has_type_hints(tree: ast.Module) -> bool:
    """Every argument and every result of every function is annotated (self and cls aside)."""
    found = functions(tree)
    return bool(found) and all(_annotated(function) for function in found)


def _annotated(function: Function) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    named = [one for one in arguments if one.arg not in ("self", "cls")]
    return function.returns is not None and all(one.annotation is not None for one in named)


def imports(tree: ast.Module) -> set[str]:
    """The top-level modules that are imported."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


def only_standard_library(tree: ast.Module) -> bool:
    """Nothing that must be installed is imported, and every name has its meaning in the code or in Python."""
    return imports(tree) <= sys.stdlib_module_names and not undefined_names(tree)


def handles_errors(tree: ast.Module) -> bool:
    """An exception is caught, and not just raised again; to raise one leaves it to the caller."""
    return any(
        (isinstance(node, ast.ExceptHandler) and not isinstance(node.body[0], ast.Raise))
        or (isinstance(node, (ast.With, ast.AsyncWith)) and _suppresses(node))
        for node in ast.walk(tree)
    )


def _suppresses(block: ast.With | ast.AsyncWith) -> bool:
    """contextlib.suppress stands at its head."""
    return any(_last_name(item.context_expr) == "suppress" for item in block.items)
