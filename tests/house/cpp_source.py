"""Reads C++ text well enough to count: blanks comments and strings, finds functions.

Not a parser. It knows braces, parentheses and what stands before a brace, which is enough for code
that clang-format has laid out. Macros are taken as they stand.
"""

import re
from typing import NamedTuple

# What is blanked: comments, raw strings, strings, characters. A digit separator (1'000) is none.
_BLANKED = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<mark>[^(\s]{0,16})\(.*?\)(?P=mark)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9a-zA-Z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'
    """,
    re.VERBOSE | re.DOTALL,
)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\[^\n]|\\\n)*", re.MULTILINE)
_SCOPE = re.compile(r"^(?:(?:inline\s+)?namespace\b|extern\s*$)")
_TYPE = re.compile(r"^(?:typedef\s+)?(?:class|struct|union|enum)\b")
_TEMPLATE = re.compile(r"^template\s*<")
_ACCESS = re.compile(r"^(?:(?:public|protected|private)\s*:\s*)+")
_NAME = re.compile(r"([~\w:]+|operator\s*\S+?)\s*\(")


class Function(NamedTuple):
    name: str
    line: int  # Of its first token, from 1.
    line_count: int


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code_only(text):
    """The text with comments, strings and characters blanked; every line stays where it was."""
    return _BLANKED.sub(_blank, text)


def comments_only(text):
    """The comments alone, each with its line number from 1."""
    for match in _BLANKED.finditer(text):
        if match.group(0).startswith(("//", "/*")):
            yield text.count("\n", 0, match.start()) + 1, match.group(0)


def includes(text):
    """Every included path as written, with its line number; those in comments do not count."""
    pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)
    without_comments = re.sub(r"//[^\n]*|/\*.*?\*/", _blank, text, flags=re.DOTALL)
    for match in pattern.finditer(without_comments):
        yield text.count("\n", 0, match.start()) + 1, match.group(1)


def _closing(code, opening):
    """The index of the brace that closes the one at `opening`; the end when there is none."""
    depth = 0
    for index in range(opening, len(code)):
        if code[index] == "{":
            depth += 1
        elif code[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    return len(code) - 1


def _without_template(head):
    """`head` behind its template<...> clauses."""
    while _TEMPLATE.match(head):
        depth = 0
        for index, letter in enumerate(head):
            depth += {"<": 1, ">": -1}.get(letter, 0)
            if letter == ">" and depth == 0:
                break
        head = head[index + 1 :].lstrip()
    return head


def _kind(head, after):
    """What a brace opens: "scope" (namespace, class), "function", or "value" (an initialiser).

    `head` is the text before the brace since the last ; { or }, `after` what follows its closing.
    """
    if head.count("(") != head.count(")"):
        return "value"  # A default argument, or an argument of a call.
    head = _without_template(head)
    if _SCOPE.match(head) or (_TYPE.match(head) and not _NAME.search(head)):
        return "scope"
    if _TYPE.match(head) and re.match(r"(?:class|struct|union)\b[^(]*(?:\balignas\b|:)", head):
        return "scope"
    if "(" not in head or head.endswith("=") or after in ",{":
        return "value"  # `a_{1},` and the last `b_{2} {` belong to a constructor's list.
    return "function"


def _name(head):
    match = _NAME.search(_without_template(head))
    return match.group(1) if match else "?"


def functions(text):
    """Every function with a body outside other functions, test cases included."""
    code = _PREPROCESSOR.sub(_blank, code_only(text))
    found = []
    start = 0  # Of the head.
    index = 0
    while index < len(code):
        letter = code[index]
        if letter == "{":
            closing = _closing(code, index)
            raw_head = code[start:index]
            head = _ACCESS.sub("", raw_head.strip())
            kind = _kind(head, code[closing + 1 :].lstrip()[:1] or ";")
            if kind == "function":
                begin = start + raw_head.find(head)
                line = code.count("\n", 0, begin) + 1
                last = code.count("\n", 0, closing) + 1
                found.append(Function(_name(head), line, last - line + 1))
            if kind != "value":
                start = (index if kind == "scope" else closing) + 1
            index = index if kind == "scope" else closing
        elif letter in ";}":
            start = index + 1
        index += 1
    return found
