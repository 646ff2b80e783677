"""The template language: what Velocity does is recorded in velocity_oracle, what bounds a render is tested here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mapping.velocity_oracle import record
from wsgw.mapping.velocity.blocks import compile_nodes
from wsgw.mapping.velocity.errors import TemplateRuntimeError, TemplateSyntaxError
from wsgw.mapping.velocity.frame import API_GATEWAY, VELOCITY, Break, Frame, Stop, TemplateLimits
from wsgw.mapping.velocity.gateway import Input, Util, parse_json
from wsgw.mapping.velocity.library import LIBRARY

RECORD = json.loads((record.HERE / "record.json").read_text(encoding="utf-8"))
ASKED = record.asked()
LIMITS = TemplateLimits()
DIALECTS = {"velocity": VELOCITY, "gateway": API_GATEWAY}


def rendered(
    template: str,
    variables: dict[str, Any] | None = None,
    body: str = "{}",
    mode: str = "gateway",
    limits: TemplateLimits = LIMITS,
) -> str:
    run = compile_nodes(template, DIALECTS[mode], limits, LIBRARY)
    # Through JSON, so that each template has its own values, of the types that a parser gives.
    frame = Frame({**parse_json(json.dumps(variables or {})), "input": Input(body, {}), "util": Util()}, limits)
    try:
        run(frame)
    except (Stop, Break):
        pass
    return "".join(frame.out)


@pytest.mark.parametrize("mode", record.MODES)
@pytest.mark.parametrize("case", RECORD["cases"], ids=lambda case: case["template"])
def test_a_template_gives_what_apache_velocity_gives(case: dict[str, str], mode: str) -> None:
    try:
        ours = rendered(case["template"], ASKED["variables"], ASKED["body"], mode)
    except (TemplateSyntaxError, TemplateRuntimeError):
        ours = "!"
    theirs = case[mode]
    assert ours == ("!" if theirs.startswith("!") else theirs)


def test_every_template_asked_is_on_record() -> None:
    assert [case["template"] for case in RECORD["cases"]] == ASKED["templates"]


@pytest.mark.oracle
@pytest.mark.skipif(not record.is_here(), reason="no JDK with Apache Velocity")
def test_the_record_is_what_velocity_says_today() -> None:
    assert record.outcomes() == RECORD["cases"]


SYNTAX_ERRORS = [
    ("a\nb #if($x) c", 2, 3, "#if has no #end"),
    ("#foreach($i in $l)\n#else\n#end", 1, 1, "expected #end, found #else"),
    ("x #end", 1, 3, "#end without #if"),
    ("#set($a 1)", 1, 9, "expected = after the reference"),
    ("#set(a = 1)", 1, 6, "expected a reference such as $name"),
    ("\n\n#set($a = )", 3, 11, "expected a reference, string, number, list or map, found )"),
    ("#set($a = [1, 2)", 1, 16, "expected , or ]"),
    ('#set($a = {"k" 1})', 1, 16, "expected : after the key"),
    ("#foreach($i of)a#end", 1, 1, "expected ($name in list)"),
    ("${x", 1, 4, "expected } at the end of the reference"),
    ('#set($a = "x)', 1, 11, "a string has no end"),
    ('#set($a = "b ${x.c")', 1, 11, "in a string: expected }"),
    ("$x.get(1 2)", 1, 10, "expected , or )"),
    ("$l[1.5]", 1, 7, "expected an index such as 0"),
    ("#[[ text", 1, 1, "expected ]]#"),
    ("costs 5 $", 1, 9, "expected a name after $"),
    ("$input.path('$[')", 1, 8, "path('$[')"),
    ("#if($s.matches('(?=a)'))a#end", 1, 8, "is not supported"),
]


@pytest.mark.parametrize(("template", "line", "column", "reason"), SYNTAX_ERRORS)
def test_a_syntax_error_says_where_and_what_is_expected(template: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        rendered(template)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


# A property's name begins with a letter, so what follows `.__` is text; `["…"]` and the rest find nothing.
NOTHING_OF_PYTHON = [
    ("$input.__class__.__mro__", ".__class__.__mro__"),
    ("$util.escapeJavaScript.__globals__", ".__globals__"),
    ('$input["__class__"]$input["_document"]$input.kinds$input.params.x$input.at("$")', ""),
    ('$util["__class__"]$util.__slots__', ".__slots__"),
    ("$s.format('{0.__class__}', 1)$s.join('a')$s.encode()$s.zfill(9)$s.upper()", ""),
    ('$l.append(1)$l.sort()$l.pop()$l["__class__"]$l.copy()$l', "[1]"),
    ('$m.items()$m.pop("a")$m.popitem()$m.update({})$m["__class__"]$m', "{a=1}"),
    ('$x.real$x.bit_length()$x["real"]$d.hex()$t.real$x.numerator', ""),
    ("#foreach($e in $m.entrySet())$e.owner#end", ""),
    ("#foreach($i in $l)$foreach.total#end", ""),
    ('#define($b)x#end$b.body$b["body"]', ""),
    ('$m.class$s.getClass()$s.class.forName("x")$x.class', ""),
]


@pytest.mark.parametrize(("template", "output"), NOTHING_OF_PYTHON)
def test_no_name_reaches_a_python_object(template: str, output: str) -> None:
    """S-29"""
    assert rendered(template, {"s": "s", "l": [1], "m": {"a": 1}, "x": 1, "d": 1.5, "t": True}) == output


DOUBLINGS = [
    ("#set($a='x')", '#set($a="$a$a")'),
    ("#set($a='x')", "#set($a=$a+$a)"),
    ("#set($a='x')", "#set($a=$a.concat($a))"),
    ("#set($a='x')", "#set($a=$a.replace('x', 'xx'))"),
    ("#set($a='x')", "#set($a=$a.replaceAll('[x]', 'xx'))"),
    ("#set($a='x')", "#set($a=$a.repeat(2))"),
    ("#set($a='\\')", "#set($a=$util.escapeJavaScript($a))"),
    ("#set($a=99999)", "#set($a=$a*$a)"),
    ("#set($a=[1])", "#set($b=$a.addAll($a))"),
    ("#set($a=[1])", "#set($a=[$a,$a])"),
    ("#set($a={'k':1})", "#set($a={'k':$a,'l':$a})"),
    ("#set($a=$input.path('$'))", "#set($b=$a.put('k',$a))"),
    ("#define($a)$a$a#end", ""),
]


@pytest.mark.parametrize(("start", "double"), DOUBLINGS)
def test_what_doubles_with_every_line_ends_in_an_error(start: str, double: str) -> None:
    """S-29"""
    with pytest.raises(TemplateRuntimeError):
        rendered(start + double * 60 + "$a")


def test_comparing_lists_that_double_ends_in_an_error() -> None:
    lists = "".join(f"#set(${name}=[1])" + f"#set(${name}=[${name},${name}])" * 60 for name in "ab")
    with pytest.raises(TemplateRuntimeError, match="steps"):
        rendered(lists + "#if($a == $b)x#end")


LOOPS = [
    ("#foreach($i in [1..1000])x#end", 1_000),
    ("#foreach($i in [1..5000])x#if($i == 1000)#break#end#end", 1_000),
]


@pytest.mark.parametrize(("template", "length"), LOOPS)
def test_a_loop_may_take_a_thousand_turns(template: str, length: int) -> None:
    assert len(rendered(template)) == length


UNBOUNDED = [
    ("#foreach($i in [1..1001])x#end", "more than 1000 turns"),
    ("#foreach($i in [1..1000])#foreach($j in [1..1000])#end#end", "steps"),
    ("#foreach($i in [1..1000])" + "$x" * 1_000 + "#end", "steps"),
    ("#foreach($i in [1..1000000000])x#end", "elements"),
    ("#foreach($i in $l)#if($l.contains(-1))x#end#end", "steps"),
    ("#foreach($i in [1..1000])$big#end", "the result is longer"),
    ("#foreach($i in [1..1000])#set($a = $big.length())#end", "steps"),
    ("#foreach($i in [1..1000])#set($a = $big.replaceAll('[b]', 'c'))#end", "steps"),
]


@pytest.mark.parametrize(("template", "reason"), UNBOUNDED)
def test_work_is_bounded_in_all(template: str, reason: str) -> None:
    """S-29"""
    variables = {"x": 1, "l": list(range(20_000)), "big": "é" + "b" * 200_000}
    with pytest.raises(TemplateRuntimeError, match=reason):
        rendered(template, variables, limits=TemplateLimits(output=1 << 20))


def test_macros_that_call_themselves_end_in_an_error() -> None:
    with pytest.raises(TemplateRuntimeError, match="20 deep"):
        rendered("#macro(r)#r()#end#r()", mode="velocity")
    with pytest.raises(TemplateRuntimeError, match="20 deep"):
        rendered('#set($s = \'#evaluate("$s")\')#evaluate("$s")'.replace('"$s"', "$s"), mode="velocity")


NESTED = [
    "#if($x)" * 100 + "#end" * 100,
    "#set($a = " + "(" * 100 + "1" + ")" * 100 + ")",
    "#set($a = " + "!" * 100 + "$x)",
    "#set($a = " + "[" * 100 + "]" * 100 + ")",
    "$x" + ".get($x" * 100 + ")" * 100,
    "$x" + "[$x" * 100 + "]" * 100,
    "#set($a = 1" + " + 1" * 10_000 + ")",
]


@pytest.mark.parametrize("template", NESTED, ids=lambda template: template[:20])
def test_nesting_is_bounded_when_a_template_is_parsed(template: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=r"constructs inside each other|operators in a row"):
        rendered(template)


def test_a_pattern_that_backtracks_elsewhere_costs_nothing_here() -> None:
    """S-29"""
    assert rendered(r"$s.matches('(\w+\s?)*')", {"s": "a" * 5_000 + "!"}) == "false"
    assert rendered(r"$s.replaceAll('(a+)+$', 'x').length()", {"s": "a" * 5_000 + "!"}) == "5001"


def test_a_changed_copy_of_a_loop_s_list_does_not_change_the_loop() -> None:
    assert rendered("#foreach($i in $l)$i#set($b = $l.add(9))#end $l", {"l": [1, 2]}) == "12 [1,2,9,9]"


def test_a_break_in_a_definition_leaves_the_loop_and_nothing_behind() -> None:
    template = "#define($d)a#break#end#foreach($i in [1..30])#foreach($j in [1,2])$d#end#end|$d"
    assert rendered("#define($e)z#end" + template + "$e") == "|"


PIECES = """
$x ${x $!x $ # \\ #set($a= ) #if( #elseif( #else #end #foreach($i in [1..3] ] [ { } : , ' " 1 -1 2.5 == && || ! < + -
* / % .get( .put( .size() .add( .b [0] $input .json('$') .path('$.l') $util .escapeJavaScript( .parseJson( ## #* *#
#[[ ]]# text true null #break #stop #define($d) $d #macro(m #m( #@m( $foreach .index .substring( .replaceAll( .split(
.keySet() .entrySet() .remove( .set( .contains( $l $m .length() .indexOf( .subList( 99999999999999999999 #evaluate(
"""


@given(
    st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\U0001f600"]), max_size=25), st.sampled_from(record.MODES)
)
def test_whatever_the_template_only_the_two_errors_are_raised(pieces: list[str], mode: str) -> None:
    variables = {"x": 5, "l": [1, "a", {"k": 2.5}], "m": {"a": 1, "b": [1, 2]}}
    try:
        rendered("".join(pieces), variables, '{"l": [1, null]}', mode)
    except (TemplateSyntaxError, TemplateRuntimeError):
        pass


@given(st.text(max_size=200))
def test_any_text_is_a_template_or_a_syntax_error(text: str) -> None:
    try:
        rendered(text)
    except (TemplateSyntaxError, TemplateRuntimeError):
        pass


@given(st.text(st.characters(exclude_characters="$#\\"), max_size=200))
def test_text_without_the_language_s_signs_is_itself(text: str) -> None:
    assert rendered(text) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
METHODS = sorted({(kind, name) for kind, table in LIBRARY.methods.items() for name in table}, key=str)


@given(st.sampled_from(METHODS), VALUES, st.lists(VALUES, min_size=2, max_size=2))
def test_every_method_takes_any_value_or_raises_a_template_error(
    method: tuple[type, tuple[str, int]], value: Any, arguments: list[Any]
) -> None:
    _, (name, count) = method
    call = f"$v.{name}({', '.join(['$a[0]', '$a[1]'][:count])})"
    try:
        assert isinstance(rendered(f"#set($r = {call})$r $v", {"v": value, "a": arguments}), str)
    except TemplateRuntimeError:
        pass


@given(VALUES)
def test_a_value_survives_being_written_as_json(value: Any) -> None:
    assert json.loads(rendered("$input.json('$.v')", body=json.dumps({"v": value}))) == value
