"""Mapping templates: API Gateway's own variables, and where API Gateway departs from Velocity."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest

from wsgw.mapping.template import (
    Params,
    Scope,
    TemplateLimits,
    TemplateRuntimeError,
    TemplateSyntaxError,
    compile_template,
)
from wsgw.mapping.velocity.frame import VELOCITY

PARAMS = {"path": {"id": "42"}, "querystring": {"q": "a b", "id": "7"}, "header": {"X-Kind": "it's", "q": "no"}}


def render(template: str, body: str = "", context: dict[str, Any] | None = None, **variables: str) -> str:
    kinds = {kind: dict(values) for kind, values in PARAMS.items()}
    return compile_template(template).render(Scope(body, Params(**kinds), context or {}, variables))


# What the service was recorded to do between 2023 and 2025, in examples of our own; `$b` is the request's body.
RECORDED = [
    ("Hello $b.name", "{}", "Hello "),
    ("$!b.name|${b.name}|$b.name.first|$b.get('name')", "{}", "|||"),
    ("#if($b.yes)true#{else}false#end", "{}", "true"),
    ("#if($b.yes)true#{else}false#end", '{"yes": null}', "true"),
    ("#if($b.yes)true#{else}false#end", '{"yes": false}', "false"),
    ("#if(!$b.yes)true#{else}false#end", '{"yes": null}', "false"),
    ("#if($b.k == $null)A#end#if($b.k == '')B#end#if($b.k != '')C#end", "{}", "AB"),
    ("#if($b.l == $null)A#end#if($b.l == '')B#end", '{"l": []}', ""),
    ("#set($m = {})#set($_ = $m.put('k', null))#if(\"$m.k\" == '')empty#end", "{}", "empty"),
    ("$b", '{"foo": "bar", "n": [{"k": "v"}], "m": {"x": 1}}', '{foo=bar, n=[{"k":"v"}], m={x=1}}'),
    ("$b[0] $b", '[{"k": "v"}]', '{k=v} [{"k":"v"}]'),
    ("$b.toString()", '{"l": [1, "x"]}', '{l=[1,"x"]}'),
    ("$b.l[1].k $b['a:b'] $b.l.get(0)", '{"l": ["x", {"k": "v"}], "a:b": 1}', "v 1 x"),
    ("#set($m = {})#set($m[$undefined] = 1)#set($m[\"$k\"] = 2)$m", "{}", "{=2}"),
    ("#set($l = [1, 2])$l.set(1, 'x')#foreach($i in $l)$i#end", "{}", "21x"),
    ("#set($_ = $b.put('k', 'new'))$_ - $b.k", '{"k": "old"}', "old - new"),
    ("\\$b.name \\$none \\\\$b.name \\#if \\# \\{", '{"name": "x"}', "$b.name $none \\x #if \\# \\{"),
    ('#set($s = "a\\nb ""c"" \\t")$s', "{}", 'a\\nb "c" \\t'),
    ("#define($d)hi#end$d()$d", "{}", "hi()hi"),
    ("hello #stop world", "{}", "hello "),
    ("#set($x = .5 * .1)$x,#set($x = 100.0 / 50)$x,#set($x = 4 > 2 + 5)$x", "{}", "0.05,2.0,false"),
    ("#foreach($v in [2..-2])$v,#end", "{}", "2,1,0,-1,-2,"),
    ("#foreach($v in [1, 2])#if($velocityHasNext)$velocityCount#end$foreach.index#end", "{}", "101"),
    ("#if(true)\nhello##\n#end", "{}", "hello"),
    ("a\n  #set($x = 1)\n  b", "{}", "a\n    b"),
    ("#macro(m $x)<$x>#end#m(1) #m($b.x)", "{}", "#m(1) #m($b.x)"),
    ("#evaluate('$b') #return", "{}", "#evaluate('$b') #return"),
    ("#13ff93 \"#\" $5 $.", "{}", "#13ff93 \"#\" $5 $."),
]  # fmt: skip


@pytest.mark.parametrize(("template", "body", "output"), RECORDED)
def test_a_template_gives_what_the_service_gave(template: str, body: str, output: str) -> None:
    assert render("#set($b = $input.path('$'))" + template, body) == output


# The rows of the service's language that the table above leaves out; each id is its row.
ROWS = [
    ("undefined prints empty", "[$x][$!x][${x}][$x.y.z]", "{}", "[][][][]"),
    ("map literal", "#set($m = {'foo': 'bar', 'a': 1})$m", "{}", "{foo=bar, a=1}"),
    ("empty map and list", "#set($m = {})#set($l = [])$m$l", "{}", "{}[]"),
    ("list literal", '#set($l = ["a", "b"])$l', "{}", "[a, b]"),
    ("list from JSON", "$b.l", '{"l": [{"foo": "bar"}, 1]}', '[{"foo":"bar"},1]'),
    ("list inside a map", "$b", '{"foo": [{"nested": "bar"}]}', '{foo=[{"nested":"bar"}]}'),
    ("numbers", "$b.i $b.f $b.n", '{"i": 10, "f": 1.5, "n": -3}', "10 1.5 -3"),
    ("booleans", "$b.t/$b.f", '{"t": true, "f": false}', "true/false"),
    ("undefined key in a literal", "#set($m = {$none: 'foo'})$m", "{}", "{=foo}"),
    ("undefined equals null", "#if($none == $null)yes#end", "{}", "yes"),
    ("an empty string equals null", '#if("" == $null)yes#end', "{}", "yes"),
    ("a list is not null", "#if($b.l == $null)yes#{else}no#end", '{"l": []}', "no"),
    (
        "words as operators",
        "#if(1 lt 2 and 2 le 2 and not (3 ne 3) and (4 gt 5 or 5 ge 5) and 1 eq 1)yes#end",
        "{}", "yes",
    ),
    ("an integer against a float", "#if(1 == 1.0 && 2 > 1.5)yes#end", "{}", "yes"),
    ("#elseif and #{else}", "#if($b.n == 1)one#elseif($b.n == 2)two#{else}many#end", '{"n": 2}', "two"),
    ("#set with a blank", "#set ($x = 1)$x", "{}", "1"),
    (
        "#set of a member",
        "#set($m = {})#set($m.k = 1)#set($m['j'] = 2)#set($n = 'i')#set($m[$n] = 3)$m",
        "{}", "{k=1, j=2, i=3}",
    ),
    ("#foreach over a map's values", "#foreach($v in $b)$v,#end", '{"a": 1, "b": "x"}', "1,x,"),
    (
        "#foreach over keys",
        "#foreach($k in $b.keySet())$k=$b.get($k)#if($foreach.hasNext);#end#end",
        '{"a": 1, "b": 2}', "a=1;b=2",
    ),
    ("#foreach over entries", "#foreach($e in $b.entrySet())$e.key:$e.value,#end", '{"a": 1}', "a:1,"),
    (
        "$foreach",
        "#foreach($v in [5, 6])$foreach.index$foreach.count$foreach.first$foreach.last #end",
        "{}", "01truefalse 12falsetrue ",
    ),
    ("$velocityCount", "#foreach($v in [5, 6])$velocityCount#end", "{}", "12"),
    ("a range up to a reference", "#set($max = 2)#foreach($i in [0..$max])$i#end", "{}", "012"),
    ("a literal block", "#[[ $b #if ]]#", "{}", " $b #if "),
    ("a block comment", "a#* $b #if *#b", "{}", "ab"),
    ("a line comment takes its newline", "a## $b\nb", "{}", "ab"),
    ("no alternate values", "${b.n|'alt'}", "{}", "!"),
    ("double quotes interpolate", "#set($x = \"<$b.n>\")$x", '{"n": 1}', "<1>"),
    ("single quotes don't", "#set($x = '<$b.n>')$x", '{"n": 1}', "<$b.n>"),
    ("a doubled quote", "#set($x = 'it''s')$x", "{}", "it's"),
    ("an escaped quote breaks parsing", '#set($x = "a\\"b")$x', "{}", "!"),
    ("a lone $ at the end", "costs 5 $", "{}", "!"),
    ("a dollar before a number", "$5 and $.", "{}", "$5 and $."),
    ("no escapes in text", "a\\nb\\t", "{}", "a\\nb\\t"),
    ("precedence", "#set($x = 2 + 3 * 4 - 10 / 5 % 3)$x|#set($y = (2 + 3) * 4)$y", "{}", "12|20"),
    ("integer division", "#set($x = 7 / 2)$x", "{}", "3"),
    ("claims by bracket", "$b.claims['custom:x']", '{"claims": {"custom:x": "v"}}', "v"),
    (
        "strings",
        "#set($s = 'abcabc')$s.length() $s.replaceAll('b', '-') $s.startsWith('ab') $s.contains('ca') "
        "$s.indexOf('c') $s.substring(1, 3) $s.matches('ab') $s.matches('[abc]+')",
        "{}", "6 a-ca-c true true 2 bc false true",
    ),
    (
        "more strings",
        "#set($s = ' Ab ')$s.isEmpty()|$s.trim()|$s.toLowerCase()|$s.toUpperCase()|$s.equals('x')|"
        "$s.endsWith(' ')|$s.split('b').size()|$s.replace('A', 'x')",
        "{}", "false|Ab| ab | AB |false|true|2| xb ",
    ),
    (
        "lists",
        "#set($l = [1, [2, 3]])$l.size()$l.isEmpty()$l.get(0)$l.set(0, 9)$l.add(4)$l.contains(9)$l[0]$l["
        " $null ]$l[1][1]",
        "{}", "2false11truetrue93",
    ),
    ("a list's element by reference", "#set($i = 1)$b[ $i ] $b[0].key", '[{"key": "k"}, "x"]', "x k"),
    (
        "maps",
        "#set($_ = $b.putAll({'c': 3}))$b.get('c')$b.containsKey('a')$b.size()$b.isEmpty()$b.toString()",
        '{"a": 1}', "3true2false{a=1, c=3}",
    ),
    ("a method's result is printed", "$b.put('a', 2)$b.put('n', 1)", '{"a": 1}', "1"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "body", "output"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_row_of_the_language(template: str, body: str, output: str) -> None:
    """ "!" is a template that the service refuses with a 500."""
    try:
        given = render("#set($b = $input.path('$'))" + template, body)
    except (TemplateSyntaxError, TemplateRuntimeError):
        given = "!"
    assert given == output


def test_a_loop_of_more_than_a_thousand_turns_is_an_error() -> None:
    assert render("#foreach($i in [1..1000])x#end") == "x" * 1000
    with pytest.raises(TemplateRuntimeError, match="1000 turns"):
        render("#foreach($i in [1..1001])x#end")


INPUT = [
    ("$input.body", "", "{}"),
    ("$input.body", "some raw data", "some raw data"),
    ("[$input.body.member]", '{"member": 1}', "[]"),
    ("$input.json('$')", "", "{}"),
    ("$input.json('$.a')", '{"a": {"b": [1, "x/y", null, 1.50]}}', '{"b":[1,"x/y",null,1.5]}'),
    ("$input.json('$.a') $input.json('$.b') $input.json('$.c')", '{"a": "é\\n", "b": true, "c": 7}', '"é\\n" true 7'),
    ("$input.json('$.none') $input.json('$.null')", '{"null": null}', '"" null'),
    ("$input.json('$') $input.json('$.a') [$input.path('$')]", "no JSON", '"" "" []'),
    ("$input.json('$.n')", '{"n": [12345678901234567890123, 0.12345678901234567891, 1e10, 0.0001]}',
     "[12345678901234567890123,0.12345678901234567891,1.0E10,1.0E-4]"),
    ("$input.json('$..b')", '{"a": {"b": 1}, "b": 2}', "[2,1]"),
    ('#set($i = 1)$input.path("$.l[$i].k") $input.path("$.l[${i}]").k', '{"l": [0, {"k": "v"}]}', "v v"),
    ("$input.path('$.l').size() $input.path('$.l')", '{"l": ["a/b"]}', '1 ["a\\/b"]'),
    ("$input.path('$.m').size()", '{"m": {"1": {}, "2": {}}}', "2"),
    ("$input.params('id') $input.params('q') $input.params('X-Kind') [$input.params('none')]", "", "42 a b it's []"),
    ("$input.params().path.id $input.params().get('header').get('X-Kind')", "", "42 it's"),
    ("#foreach($k in $input.params().keySet())$k,#end", "", "path,querystring,header,"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "body", "output"), INPUT)
def test_input_reads_the_payload_and_the_parameters(template: str, body: str, output: str) -> None:
    assert render(template, body) == output


UTIL = [
    ("escapeJavaScript", "it's \"q\" </a> \\ \n\té \U0001f600",
     "it\\'s \\\"q\\\" <\\/a> \\\\ \\n\\t\\u00E9 \\uD83D\\uDE00"),
    ("escapeJavaScript", "plain text", "plain text"),
    ("urlEncode", 'a b:{"x"}*~é', "a+b%3A%7B%22x%22%7D*%7E%C3%A9"),
    ("urlDecode", "a+b%3A%C3%A9%zz", "a b:é%zz"),
    ("base64Encode", "hé", "aMOp"),
    ("base64Decode", "aMOp", "hé"),
    ("base64Decode", "aGVsbG8", "hello"),
    ("parseJson", '{"a": [1, {"b": "c"}]}', '{a=[1,{"b":"c"}]}'),
]  # fmt: skip


@pytest.mark.parametrize(("function", "text", "output"), UTIL)
def test_util_converts_text(function: str, text: str, output: str) -> None:
    assert render(f"$util.{function}($input.path('$'))", json.dumps(text)) == output


@pytest.mark.parametrize("function", sorted({function for function, _, _ in UTIL}))
def test_util_gives_nothing_for_nothing(function: str) -> None:
    assert render(f"[$util.{function}($none)][$util.{function}(null)]") == "[][]"


def test_the_escape_of_a_quote_can_be_undone_for_json() -> None:
    template = """{"m": "$util.escapeJavaScript($input.path('$.m')).replaceAll("\\\\'", "'")"}"""
    assert json.loads(render(template, '{"m": "it\'s \\"so\\""}')) == {"m": 'it\'s "so"'}


@pytest.mark.parametrize("call", ["parseJson('{')", "parseJson('[1')", "parseJson('NaN')", "base64Decode('a')"])
def test_util_refuses_what_it_cannot_read(call: str) -> None:
    with pytest.raises(TemplateRuntimeError, match=r"\$util\."):
        render(f"$util.{call}")


def test_a_parsed_string_has_members() -> None:
    body = json.dumps({"errorMessage": json.dumps({"key2": {"arr": [1, 2]}})})
    assert render("#set($o = $util.parseJson($input.path('$.errorMessage')))$o.key2.arr[1]", body) == "2"


def test_context_and_stage_variables_are_read_by_name_and_by_key() -> None:
    context = {"connectionId": "c1", "identity": {"sourceIp": "10.0.0.1", "userAgent": None}, "connectedAt": 17}
    template = (
        "$context.connectionId $context.identity.sourceIp $context['connectedAt'] [$context.identity.userAgent]"
        "[$context.authorizer.principalId] $stageVariables.table $stageVariables['table'] ${stageVariables['none']}."
    )
    assert render(template, "", context, table="t") == "c1 10.0.0.1 17 [][] t t ."


def test_overrides_end_up_in_the_context() -> None:
    context: dict[str, Any] = {"stage": "prod"}
    template = """#set($name = "X-B")
#set($context.requestOverride.header.X-A = "a$input.params('id')")
#set($context.requestOverride.header[$name] = ["b", 1])
#set($ignored = $context.requestOverride.querystring.put("q", "1"))
#set($context["requestOverride"].path["p"] = "x")
#set($context.responseOverride.status = 444)
#set($context.responseOverride.custom = "carried")
$context.requestOverride.header.X-A"""
    assert render(template, "", context) == "a42"
    assert context["requestOverride"] == {
        "header": {"X-A": "a42", "X-B": ["b", 1]},
        "querystring": {"q": "1"},
        "path": {"p": "x"},
    }
    assert context["responseOverride"] == {"header": {}, "status": 444, "custom": "carried"}
    assert render("$context.responseOverride.custom", "", context) == "carried"


def test_a_template_that_mentions_no_override_leaves_the_context_alone() -> None:
    context = {"stage": "prod"}
    render("$context.stage", "", context)
    assert context == {"stage": "prod"}


def test_parameters_and_stage_variables_are_a_template_s_own() -> None:
    params = Params({}, {}, {"h": "1"})
    variables = MappingProxyType({"v": "1"})
    template = "#set($stageVariables.v = 2)#set($input.params().header.h = 2)$stageVariables.v$input.params().header.h"
    assert compile_template(template).render(Scope("", params, {}, variables)) == "22"
    assert (params.header, dict(variables)) == ({"h": "1"}, {"v": "1"})


def test_one_render_leaves_nothing_for_the_next() -> None:
    template = "$n#set($n = 1)$input.path('$.l').size()#set($x = $input.path('$.l').add(3))"
    assert [render(template, '{"l": [1, 2]}') for _ in range(2)] == ["2", "2"]


EVERYTHING = """#set($allParams = $input.params())
{
"params" : {
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName)).replaceAll("\\\\'", "'")"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
}
}
"""


def test_the_template_that_passes_every_parameter_on_gives_json() -> None:
    assert json.loads(render(EVERYTHING)) == {"params": PARAMS}


def test_the_result_can_always_be_encoded() -> None:
    assert render("$input.path('$').substring(0, 2)", '"a\U0001f600"') == "a?"
    assert render('#set($half = "\\uD83D")$half') == "?"


def test_the_result_is_bounded_in_bytes() -> None:
    template = compile_template("$input.body$input.body", TemplateLimits(output=10))
    empty = Params({}, {}, {})
    assert template.render(Scope("abcde", empty, {}, {})) == "abcdeabcde"
    for body in ("abcdef", "ééé"):
        with pytest.raises(TemplateRuntimeError, match="longer than 10 bytes"):
            template.render(Scope(body, empty, {}, {}))


def test_a_long_template_is_refused() -> None:
    with pytest.raises(TemplateSyntaxError, match="longer than 307200 characters"):
        compile_template("x" * 307_201)


RUNTIME_ERRORS = [
    ("$input.path('$.l').get(2)", "no element 2 in a list of 2"),
    ("$input.path('$.l')[2]", "no element 2 in a list of 2"),
    ("$input.path('$.s').substring(9)", "of a string of 3 characters"),
    ("#set($p = '$[')$input.path($p)", "the path"),
    ("#set($p = '(?=a)')$input.path('$.s').matches($p)", "is not supported"),
    ("#set($m = {})#set($x = $m.put([1], 2))", "cannot be the key of a map"),
    ("#set($m = {})#set($x = $m.put('m', $m))$m", "nested too deeply"),
]


@pytest.mark.parametrize(("template", "reason"), RUNTIME_ERRORS)
def test_a_call_that_cannot_succeed_says_why(template: str, reason: str) -> None:
    with pytest.raises(TemplateRuntimeError) as caught:
        render(template, '{"l": [1, 2], "s": "str"}')
    assert reason in str(caught.value)


def test_a_payload_nested_beyond_reason_is_no_json_or_an_error() -> None:
    assert render("[$input.path('$.a')]", "[" * 100_000) == "[]"
    with pytest.raises(TemplateRuntimeError, match="nested too deeply"):
        render("$input.path('$')", "[" * 500 + "]" * 500)


def test_macros_work_where_a_dialect_has_them() -> None:
    template = compile_template("#macro(m $x)<$x>#end#m(1)$none", dialect=VELOCITY)
    assert template.render(Scope("", Params({}, {}, {}), {}, {})) == "<1>$none"
