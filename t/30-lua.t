#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The Lua face inside mod_lua: verbs, values both ways, errors, who may use
# a handle and for how long, and the examples of docs/lua.md.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs('lua');
my $home = DRS::Httpd::lua_home()
    // plan skip_all => 'drsession.so is not built: "make lua" says why';
my $guest = DRS::Httpd::lua_module();

# Runs the Lua in the request body; its results, one a line, or the error.
my $run = <<'LUA';
local drsession = require "drsession"

local function show(v)
    if v == drsession.null then return "null" end
    if type(v) ~= "table" then return math.type(v) == "float" and
        string.format("float %.17g", v) or tostring(v) end
    local keys, out = {}, {}
    for k in pairs(v) do keys[#keys + 1] = k end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, k in ipairs(keys) do out[i] = show(k) .. "=" .. show(v[k]) end
    return "{" .. table.concat(out, ",") .. "}"
end

function handle(r)
    r.content_type = "text/plain"
    local chunk, why = load(r:requestbody() or "")
    if not chunk then r:puts("syntax " .. why) return apache2.OK end
    local s = drsession.open(r)
    local got = table.pack(pcall(chunk, s, drsession, r))
    if not got[1] then
        r:puts("error " .. tostring(got[2]))
        return apache2.OK
    end
    for i = 2, got.n do got[i] = show(got[i]) end
    r:write(table.concat(got, "\n", 2, got.n))
    return apache2.OK
end
LUA

# The scripts of docs/lua.md, by their names.
my %example;
{
    open my $in, '<', "$FindBin::Bin/../docs/lua.md" or die "docs/lua.md: $!";
    my $text = do { local $/; readline $in };
    while ($text =~ /^    -- (\w+\.lua)\n((?:    .*\n|\n)*)/mg) {
        ($example{$1} = $2) =~ s/^    //mg;
    }
}

my $common = <<"CONF";
DRSession On
DRSessionIdle 1h
LuaPackageCPath $home/?.so
<FilesMatch "\\.lua\$">
    SetHandler lua-script
</FilesMatch>
CONF
my @modules = (modules => ['lua']);
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, @modules, start => 0,
    docs => { %example, map { $_ => $run }
        qw(run.lua ro/run.lua off/run.lua small/run.lua raw/run.lua) });
$httpd->{conf} = $common . <<'CONF';
DRSessionTimeout command=5s request=30s
<Location /ro>
    DRSession ReadOnly
</Location>
<Location /off>
    DRSession Off
</Location>
<Location /small>
    DRSessionLimit value=20
</Location>
<Location /raw>
    DRSessionCodec raw
    DRSessionPrefix raw:
</Location>
CONF
$httpd->start;

our $jar = jar();

# What a piece of Lua returns in a request: "s, d, r" are given.
sub lua {
    my ($code, %opt) = @_;
    my $r = $httpd->request('POST', $opt{path} // '/run.lua',
        jar => $opt{jar} // $jar, body => "local s, d, r = ...\n$code");
    return $r if $opt{whole};
    return $r->{status} == 200 ? $r->{body} : "http:$r->{status} $r->{body}";
}

sub held { $redis->cmd('HGET', 'drsession:' . $jar->id, $_[0]) }

subtest 'fields_are_live' => sub {
    is lua('return s.foo'), 'nil', 'nothing';
    is $jar->id, undef, 'and no session for it';
    is lua('s.foo = {1,2}; return s.foo'), '{1=1,2=2}', 'set and get';
    is held('foo'), '[1,2]', 'Redis has it';
    $redis->cmd('HSET', 'drsession:' . $jar->id, 'foo', '"other"');
    is lua('return s.foo'), 'other', 'what another wrote is seen';
    is lua('return #s'), 1, '#s';
    is lua('s.foo = nil; return s.foo'), 'nil', 'deleted';
    is $redis->cmd('DBSIZE'), 0, 'with its session';
    is lua('s.foo = nil; return d.id(s)'), 'nil', 'nothing to delete is fine';
};

subtest 'every_verb' => sub {
    $jar = jar();
    is lua('return d.has(s, "a"), d.del(s, "a"), d.pop(s, "a")'),
        "false\nfalse\nnil", 'without a session';
    is lua('return d.regenerate(s), #d.keys(s), #s, d.destroy(s)'),
        "false\n0\n0", 'nor with these';
    is $jar->id, undef, 'none of them makes one';
    is lua('return d.add(s, "a", 1), d.add(s, "a", 2), s.a'),
        "true\nfalse\n1", 'add';
    is lua('return d.incr(s, "n"), d.incr(s, "n", 41), d.incr(s, "n", -2)'),
        "1\n42\n40", 'incr';
    is held('n'), '40', 'in digits';
    is lua('d.set(s, "b", "x"); return d.has(s, "b")'), 'true', 'set';
    is lua('return d.get(s, "a", "none", "b")'), "1\nnil\nx", 'get of many';
    is lua('return d.pop(s, "b"), d.has(s, "b")'), "x\nfalse", 'pop';
    is lua('d.update(s, {x = 1, y = {2}}, {"a"}); return d.all(s)'),
        '{n=40,x=1,y={1=2}}', 'update writes and deletes';
    is lua('d.update(s, {}); d.update(s, {}, {}); return #s'), 3,
        'update of nothing';
    is lua('d.set(s, "x", nil); return d.del(s, "y"), d.del(s, "y")'),
        "true\nfalse", 'del';
    is lua('local k = d.keys(s); return #k, k[1]'), "1\nn", 'keys';
    is lua('local t = {} for f, v in pairs(s) do t[f] = v; s[f] = nil end '
        . 'return t, #s'), "{n=40}\n0", 'pairs is a snapshot';
    lua('s.a = 1');
    my $old = $jar->id;
    is lua('return d.id(s)'), $old, 'id';
    is lua('return d.regenerate(s), s.a'), "true\n1", 'regenerate';
    isnt $jar->id, $old, 'makes another id';
    is lua('d.destroy(s); return s.a, d.id(s)'), "nil\nnil", 'destroy';
    is $jar->id, undef, 'takes the cookie away';
    is $redis->cmd('DBSIZE'), 0, 'and the key';
};

subtest 'round_trips' => sub {
    $jar = jar();
    lua('d.update(s, {a = 1, b = 2, c = 3})');
    my $trips = sub {
        my ($code) = @_;
        return $redis->count_reads(sub { lua($code) });
    };
    is $trips->('return 1'), 0, 'opening costs none';
    is $trips->('return d.get(s, "a", "b", "c", "x")'), 1, 'many reads';
    is $trips->('for k, v in pairs(s) do end'), 1, 'pairs';
    is $trips->('d.update(s, {a = 2, b = 3}, {"c"})'), 1, 'update';
    is $trips->('s.a = s.b'), 2, 'one a statement';
};

# Lua, what Redis holds, what comes back (as it went, unless said).
my @values = (
    ['true', 'true'], ['false', 'false'], ['d.null', 'null', 'null'],
    ['0', '0'], ['-7', '-7'], ['2^53|0', '9007199254740992'],
    ['math.maxinteger', '9223372036854775807'],
    ['math.mininteger', '-9223372036854775808'],
    ['2.0', '2.0', 'float 2'], ['-0.0', '-0.0', 'float -0'],
    ['0.1', '0.1', 'float 0.10000000000000001'],
    ['1e100', '1e+100', 'float 1e+100'],
    ['1/3', '0.3333333333333333', 'float 0.33333333333333331'],
    ['5e-324', '4.94065645841247e-324', 'float 4.9406564584124654e-324'],
    ['2^63', '9.223372036854776e+18', 'float 9.2233720368547758e+18'],
    ['""', '""', ''], ['"plain"', '"plain"'],
    ['"q\"b\\\\s/"', '"q\"b\\\\s/"', 'q"b\\s/'],
    ['"\b\f\n\r\t\1\31\127"', "\"\\b\\f\\n\\r\\t\\u0001\\u001f\177\"",
        "\b\f\n\r\t\1\037\177"],
    ['"a\0b"', '"a\u0000b"', "a\0b"],
    ['"\u{e4}\u{20ac}\u{1f600}"', "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"],
    ['{}', '{}', '{}'], ['d.array()', '[]', '{}'], ['d.array{}', '[]', '{}'],
    ['d.object()', '{}', '{}'], ['d.object{a=1}', '{"a":1}', '{a=1}'],
    ['{1,"x",{}}', '[1,"x",{}]', '{1=1,2=x,3={}}'],
    ['{1,d.null,3}', '[1,null,3]', '{1=1,2=null,3=3}'],
    ['{[""]={["a.b"]=1}}', '{"":{"a.b":1}}', '{={a.b=1}}'],
    ['{["1"]=1}', '{"1":1}', '{1=1}'],
    ['{["k\0"]=1}', '{"k\u0000":1}', "{k\0=1}"],
    ['{[1.0]="x"}', '["x"]', '{1=x}'],
    ['setmetatable({1}, {__index=function() error("asked") end, '
        . '__len=function() error("asked") end})', '[1]', '{1=1}'],
);

subtest 'values_go_and_come_back' => sub {
    $jar = jar();
    for (@values) {
        my ($value, $json, $back) = @$_;
        my $said = lua("s.v = $value; return s.v");
        is held('v'), $json, "$value is held as JSON";
        is $said, $back // $json =~ s/\A"(.*)"\z/$1/r, 'and comes back';
    }
    is lua('s.l = d.array(); local l = s.l; s.l = l; return #l'), 0, 'empty';
    is held('l'), '[]', 'an array that was read stays one';
    is lua('s.l = {1}; local l = s.l; l[1] = nil; s.l = l'), '', 'emptied';
    is held('l'), '[]', 'stays one too';
    is lua('local u = {1}; s.v = {u, u}'), '',
        'a table in two places is no cycle';
    is held('v'), '[[1],[1]]', 'it is written twice';
};

subtest 'what_others_wrote_is_read_strictly' => sub {
    $jar = jar();
    lua('s.v = 1');
    my $read = sub {
        $redis->cmd('HSET', 'drsession:' . $jar->id, 'v', $_[0]);
        return lua('return s.v');
    };
    my $deep = sub { '[' x $_[0] . ']' x $_[0] };
    for ([' [1 ,\t2 ] ' =~ s/\\t/\t/r, '{1=1,2=2}'], ['{"a":1,"a":2}', '{a=2}'],
         ['"\\ud83d\\ude00\\u00E4\\/"', "\xf0\x9f\x98\x80\xc3\xa4/"],
         ['18446744073709551616', 'float 1.8446744073709552e+19'],
         ['-9223372036854775809', 'float -9.2233720368547758e+18'],
         ['1E2', 'float 100'], ['-0', '0'], ['1.50', 'float 1.5'],
         ['{"a" : null }', '{a=null}'], ['null', 'null']) {
        is $read->($_->[0]), $_->[1], "$_->[0] is read";
    }
    like $read->($deep->(128)), qr/^\{1=\{/, '128 levels are read';
    for ('', ' ', 'NaN', 'Infinity', '-Infinity', '1e400', 'nul', '01', '1.',
        '.5', '-', '+1', '1e', '0x10', '1 2', '[1,]', '[,]', '[1', '[', '{"a"}',
        '{"a":}', '{a:1}', '{"a":1,}', '{', '{"a":1', '"', '"a', '"\\',
        '"\\x"', '"\\u12"', '"\\u12g4"', '"\\ud800"', '"\\udc00"',
        '"\\ud800\\u0041"', "\"\1\"", "\"\xff\"", "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc3\"", "'a'", "1\0",
        "\"a\0b\"", $deep->(129), '[' x 100_000, 'true false', 'truex') {
        my $name = length > 20 ? length($_) . ' bytes' : pct($_);
        like $read->($_), qr/\Aerror reply: .*\(.*:2\)\z/,
            "'$name' is the failure reply";
    }
    $redis->cmd('HSET', 'drsession:' . $jar->id, 'v', 'NaN');
    is lua('return d.getjson(s, "v"), d.getjson(s, "none")'), "NaN\nnil",
        'getjson gives it anyway';
    is lua('d.setjson(s, "v", " [1, 2] "); return s.v, d.getjson(s, "v")'),
        "{1=1,2=2}\n[1, 2]", 'setjson';
    like lua('d.setjson(s, "v", "[1,")'), qr/\Aerror value: /,
        'setjson takes JSON alone';
    is lua('d.setjson(s, "b", "\0\255"); return #d.getjson(s, "b")',
        path => '/raw/run.lua'), 2, 'or bytes of the codec raw';
};

subtest 'what_json_cannot_say_is_refused' => sub {
    $jar = jar();
    lua('s.v = "old"');
    my $nest = 'local t = {} for i = 2, %d do t = {t} end s.v = t';
    for (['s.v = 0/0', 'NaN'], ['s.v = math.huge', 'infinity'],
         ['s.v = -math.huge', 'infinity'], ['s.v = {1, 0/0}', 'NaN'],
         ['s.v = print', 'functions'], ['s.v = r', 'userdata'],
         ['s.v = s', 'userdata'], ['s.v = coroutine.create(print)', 'threads'],
         ['s.v = "\255"', 'UTF-8'], ['s.v = {["\xc0\xaf"] = 1}', 'UTF-8'],
         ['s.v = "\xed\xa0\x80"', 'UTF-8'],
         ['s.v = {1, a = 2}', 'both'], ['s.v = {[1] = 1, [3] = 3}', 'hole'],
         ['s.v = {[2] = 2}', 'hole'], ['s.v = {[0] = 1}', 'key'],
         ['s.v = {[-1] = 1}', 'key'], ['s.v = {[1.5] = 1}', 'key'],
         ['s.v = {[true] = 1}', 'key'], ['s.v = {[d.null] = 1}', 'key'],
         ['s.v = d.array{a = 1}', 'array'], ['s.v = d.object{1}', 'object'],
         ['local t = {} t[1] = t; s.v = t', 'itself'],
         ['local t = {} t.a = {b = {t}}; s.v = t', 'itself'],
         [sprintf($nest, 129), '128'], ['d.add(s, "w", 0/0)', 'NaN'],
         ['d.update(s, {w = 1, x = print})', 'functions'],
         ['s[""] = 1', ''], ['s[("x"):rep(256)] = 1', ''],
         ['s["a\0b"] = 1', 'NUL'], ['s["\255"] = 1', ''], ['s[1] = 1', 'string'],
         ['return s[1]', 'string'], ['return s[nil]', 'string'],
         ['d.update(s, {1})', 'string'], ['d.update(s, {}, {1})', 'string'],
         ['d.incr(s, "v")', 'integer'],
         ['s.m = math.maxinteger; d.incr(s, "m")', ''],
         ['s.f = 1.0; d.incr(s, "f")', 'integer']) {
        my ($code, $hint) = @$_;
        like lua($code), qr/\Aerror value: .*\Q$hint\E.*\(.*:2\)\z/i,
            "$code is the failure value";
    }
    is held('v'), '"old"', 'nothing was written';
    is lua('return d.has(s, "w")'), 'false', 'not even a part';
    is lua(sprintf $nest, 128), '', '128 levels are fine';
    for ('d.incr(s, "n", 1.5)', 'd.incr(s, "n", "x")', 'd.get(s)', 'd.get()',
        'd.get({}, "a")', 'd.set(s, "a")', 'd.add(s, "a")', 'd.update(s)',
        'd.open()', 'd.open({})', 'd.open(s)', 'd.get(r, "a")',
        'd.update(s, {}, "a")', 'd.array(1)', 'getmetatable(s).__index(r, "a")',
        'getmetatable(s).__gc({})', 'd.setjson(s, "a", {})') {
        like lua($_), qr{\Aerror .*bad argument}, "$_: bad argument";
    }
    like lua('s.v = ("x"):rep(19)', path => '/small/run.lua'),
        qr/\Aerror value: .*limit/, 'over a limit';
};

subtest 'a_field_may_have_any_name' => sub {
    $jar = jar();
    for my $name ('get', 'open', 'id', '__index', '__gc', 'a.b', 'a b', '1',
        'nil', "\xc3\xa4", 'x' x 255) {
        is lua("s['$name'] = 1; return d.incr(s, '$name'), s['$name']"),
            "2\n2", substr pct("field $name"), 0, 60;
        is held($name), 2, 'is a field';
    }
    is lua('s.open = nil; s.get = "x"; return s.get, type(d.get)'),
        "x\nfunction", 'methods are no fields';
};

subtest 'a_finalizer_may_use_the_session' => sub {
    $jar = jar();
    is lua(<<'LUA'), "true\ntrue\ntrue", 'while values are being read';
local list, runs = {}, 0
for i = 1, 1000 do list[i] = { n = i, text = ("x"):rep(20) .. i } end
local other, absent = {}, {}
for i = 1, 300 do other[i], absent[i] = ("y"):rep(100), "none" end
local fields = { list = list, other = other }
for i = 1, 200 do fields["name of a field " .. i] = i end
d.update(s, fields)

local function trap()
    setmetatable({}, { __gc = function()
        runs = runs + 1
        return d.get(s, table.unpack(absent)), s.other
    end })
end

local function is_whole(read)
    for i = 1, 1000 do
        if read[i].n ~= i or read[i].text ~= list[i].text then return false end
    end
    return true
end

local values, names = true, true
for i = 1, 8 do
    trap()
    local one, two = d.get(s, "list", "list")
    values = values and is_whole(s.list) and is_whole(one) and is_whole(two)
end
for i = 1, 8 do
    local before = runs
    trap()
    for _ = 1, 100 do
        for _, name in ipairs(d.keys(s)) do
            names = names and (name == "list" or name == "other"
                or name:match("^name of a field %d+$") ~= nil)
        end
        if runs > before then break end
    end
end
return values, names, runs > 4
LUA
};

subtest 'a_script_may_choose_its_locale' => sub {
    $jar = jar();
    my $found = lua('for _, l in ipairs{"de_DE.utf8", "de_DE.UTF-8", '
        . '"fr_FR.utf8"} do if os.setlocale(l, "numeric") then return l end '
        . 'end');
    plan skip_all => 'no locale with a decimal comma' unless $found =~ /_/;
    is lua('s.v = 1.5; local v = s.v; os.setlocale("C"); return v == 1.5'),
        'true', '1.5 is 1.5';
    is held('v'), '1.5', 'with a point';
};

subtest 'the_session_of_the_place' => sub {
    $jar = jar();
    lua('s.a = 1');
    is lua('return s.a', path => '/ro/run.lua'), 1, 'ReadOnly reads';
    like lua($_, path => '/ro/run.lua'), qr/\Aerror readonly: /, "not $_"
        for 's.a = 2', 's.a = nil', 'd.add(s, "b", 1)', 'd.incr(s, "n")',
        'd.pop(s, "a")', 'd.update(s, {b = 1})', 'd.destroy(s)',
        'd.regenerate(s)';
    my $r = $httpd->request('POST', '/off/run.lua', body => 'return 1');
    is $r->{status}, 500, 'Off: open() raises';
    like $r->{body}, qr/off: DRSession is Off/, 'and says why';
    my $keys = $redis->cmd('DBSIZE');
    my $said = lua('r:puts("x"); r:flush(); s.a = 1', jar => jar());
    like $said, qr/\Axerror sent: /, 'too late for a cookie';
    is $redis->cmd('DBSIZE'), $keys, 'and nothing is left behind';
    is lua('r:puts("x"); r:flush(); s.a = 3; return s.a'), 'x3',
        'an old session takes writes at any time';
    $redis->cmd('DEL', 'drsession:' . $jar->id);
    lua('s.a = 1');
    is lua('local a = s.a; d.destroy(d.open(r)); s.b = 2; return d.all(s)'),
        '{b=2}', 'two handles of a request are one session';
    my $key = 'drsession:' . $jar->id;
    $redis->cmd('DEL', $key);
    $redis->cmd('SET', $key, 'x');
    like lua('return s.a'), qr/\Aerror reply: /, 'a wrong type';
    unlike lua('return s.a'), qr/\Q@{[$jar->id]}/, 'the id is not shown';
    $redis->cmd('DEL', $key);
};

subtest 'one_cookie_a_response' => sub {
    my $r = lua('s.a = 1; s.b = 2; d.open(r).c = 3', jar => jar(), whole => 1);
    is scalar(headers($r, 'Set-Cookie')), 1, 'born once';
    $jar = jar();
    lua('s.a = 1');
    $r = lua('s.a = 2', whole => 1);
    is scalar(headers($r, 'Set-Cookie')), 0, 'none for an old session';
    $r = lua('d.regenerate(s); d.regenerate(s)', whole => 1);
    is scalar(headers($r, 'Set-Cookie')), 1, 'the last of two';
    is lua('return s.a'), 2, 'which is the right one';
    $r = lua('return s.a', whole => 1);
    like header($r, 'Cache-Control'), qr/private/, 'not for shared caches';
};

subtest 'the_examples_of_the_docs_run' => sub {
    is join(' ', sort keys %example), 'cart.lua guard.lua hello.lua try.lua',
        'these are they';
    $jar = jar();
    my $get = sub { $httpd->get($_[0], jar => $jar)->{body} };
    is $get->('/hello.lua'), "visit 1\n", 'hello';
    lua('s.user = {name = "Ann"}');
    is $get->('/hello.lua'), "visit 2\nhello Ann\n", 'hello again';
    is $get->('/cart.lua?tea'), "1 in the cart, last tea\n", 'cart';
    is $get->('/cart.lua?milk'), "2 in the cart, last milk\n", 'cart again';
    is held('cart') =~ s/\{"price":2.5,("item":"\w+")\}/{$1,"price":2.5}/gr,
        '[{"item":"tea","price":2.5},{"item":"milk","price":2.5}]',
        'as JSON';
    is $get->('/try.lua'), "thank you\n", 'try';
};

error_log_is_clean($httpd, qr/Lua error: off: DRSession is Off/,
    qr/\[drsession:error\].*(?:WRONGTYPE|wrong type)/);
$httpd->stop;

subtest 'hooks_providers_and_filters' => sub {
    my $log = <<'LUA';
local drsession = require "drsession"
function log(r)
    local s = drsession.open(r)
    if drsession.id(s) then drsession.incr(s, "logged") end
    return apache2.OK
end
function birth(r)
    drsession.incr(drsession.open(r), "births")
    return apache2.DECLINED
end
function fail(r) return drsession.open(r)[1] end
function denied(r) return fail(r) end
LUA
    my $httpd = start_httpd(redis => $redis, @modules, start => 0, docs => {
        'run.lua' => $run, 'guard.lua' => $example{'guard.lua'},
        'more.lua' => $log, 'page.txt' => 'x' x 100_000,
        'born/page.txt' => 'born', 'fail/page.txt' => 'hidden',
        'auth/page.txt' => 'hidden', 'admin/page.txt' => 'admin',
        'bytes/page.txt' => 'x' x 100_000, 'hello.lua' => $example{'hello.lua'},
        'page.shtml' => '<!--#include virtual="/hello.lua" -->' x 2,
        'gone/page.txt' => 'x' });
    my $docs = $httpd->dir . '/docs';
    $httpd->{conf} = $common . <<"CONF";
LuaHookAccessChecker $docs/guard.lua check_access
LuaAuthzProvider role $docs/guard.lua has_role
LuaAuthzProvider broken $docs/more.lua denied
LuaOutputFilter BYTES $docs/guard.lua count_bytes
LuaHookLog $docs/more.lua log
<Location /born>
    LuaHookFixups $docs/more.lua birth
    LuaHookAccessChecker $docs/more.lua birth
</Location>
<Location /fail>
    LuaHookFixups $docs/more.lua fail
</Location>
<Location /admin>
    Require role admin
</Location>
<Location /auth>
    Require broken
</Location>
<Location /bytes>
    SetOutputFilter BYTES
</Location>
<Location /gone>
    Require all denied
    ErrorDocument 403 /hello.lua
</Location>
CONF
    $httpd->start;
    $jar = jar();
    my $run = sub {
        my ($code) = @_;
        return $httpd->request('POST', '/run.lua', jar => $jar,
            body => "local s, d, r = ...\n$code")->{body};
    };
    my $get = sub { $httpd->get($_[0], jar => $jar) };
    is $get->('/page.txt')->{status}, 200, 'without a session';
    is $get->('/admin/page.txt')->{status}, 403, 'a provider denies';
    is $jar->id, undef, 'no session was made';
    my $r = $get->('/born/page.txt');
    is $r->{body}, 'born', 'hooks that write';
    is scalar(headers($r, 'Set-Cookie')), 1, 'send one cookie';
    is held('births'), 2, 'both of them';
    $run->('s.roles = {"user", "admin"}');
    is $get->('/admin/page.txt')->{body}, 'admin', 'a provider grants';
    is length($get->('/bytes/page.txt')->{body}), 100_000, 'a filter';
    ok wait_until(10, sub { (held('bytes') // 0) == 100_000 }),
        'writes when all has passed';
    $r = $get->('/page.shtml');
    is $r->{body}, "visit 1\nvisit 2\n", 'subrequests have the session';
    $r = $get->('/gone/page.txt');
    is $r->{status}, 403, 'an error document';
    is $r->{body}, "visit 3\n", 'has it too';
    $run->('s.logged = 0');
    ok wait_until(10, sub { held('logged') == 1 }), 'the log phase writes';
    $r = $get->('/fail/page.txt');
    is $r->{status}, 500, 'a hook that fails is 500';
    unlike $r->{body}, qr/hidden/, 'not the page';
    $r = $get->('/auth/page.txt');
    is $r->{status}, 500, 'a provider that fails is 500';
    unlike $r->{body}, qr/hidden/, 'not the page either';
    $run->('s.banned = true');
    is $get->('/page.txt')->{status}, 403, 'a hook refuses';
    error_log_is_clean($httpd, qr/Lua error: value|hook.*value|authz.*value/i,
        qr/AH01630|denied by/);
    $httpd->stop;
};

subtest 'every_phase_has_the_session' => sub {
    my @hooks = qw(QuickHandler HookTranslateName HookMapToStorage
        HookAccessChecker HookCheckUserID HookAuthChecker HookTypeChecker
        HookFixups HookLog);
    my $httpd = start_httpd(redis => $redis, modules => [qw(lua authz_user)],
        start => 0, docs => {
        'hello.lua' => $example{'hello.lua'}, 'all.lua' => join '',
        "local drsession = require 'drsession'\n",
        map { my $end = $_ eq 'HookLog' ? 'OK' : 'DECLINED';
            "function $_(r) local s = drsession.open(r) s.$_ = r.uri "
            . ($_ eq 'HookCheckUserID' ? 'r.user = "ann" return apache2.OK'
                : "return apache2.$end") . " end\n" } @hooks });
    my $docs = $httpd->dir . '/docs';
    $httpd->{conf} = $common . join '', map { "Lua$_ $docs/all.lua $_\n" }
        @hooks;
    $httpd->{conf} .= <<"CONF";
LuaMapHandler ^/hello\$ $docs/hello.lua
<Location />
    AuthType Basic
    AuthName all
    Require valid-user
</Location>
CONF
    $httpd->start;
    local $jar = jar();
    my $r = $httpd->request('POST', '/hello', jar => $jar, body => 'four');
    is $r->{body}, "visit 1\n", 'the handler of LuaMapHandler';
    is scalar(headers($r, 'Set-Cookie')), 1, 'and one cookie';
    ok wait_until(10, sub { held('HookLog') }), 'the last phase has written';
    is held($_), '"/hello"', $_ for @hooks;
    is $redis->cmd('HLEN', 'drsession:' . $jar->id), @hooks + 1,
        'all in one session';
    error_log_is_clean($httpd);
    $httpd->stop;
};

# Keeps a handle in a global; another request of the interpreter finds it.
my $keeper = <<'LUA';
local drsession = require "drsession"

function keep(r)
    if r.uri:match("/slow") then
        kept, kept_r = drsession.open(r), r
        drsession.incr(kept, "keeps")
    end
    return apache2.DECLINED
end

local function try(f, ...)
    local ok, why = pcall(f, ...)
    return ok and "ok" or why:match("^%a+")
end

function handle(r)
    r.content_type = "text/plain"
    if r.args == "keep" then
        kept, kept_r = drsession.open(r), r
        kept.secret = 1
        r:puts("kept")
    elseif r.args == "sleep" then
        for _ = 1, 500 do
            local over = io.open(r.document_root .. "/over")
            if over then
                over:close()
                break
            end
            r.usleep(20000)
        end
        r:puts(drsession.open(r).keeps)
    elseif not kept then
        r:puts("fresh")
    else
        local said = { try(function() return kept.secret end),
            try(function() kept.secret = 2 end), try(drsession.id, kept),
            try(pairs, kept), try(function()
                return drsession.open(r).secret end) }
        -- Of a request whose memory this one has got, r is this one.
        local again, s = pcall(drsession.open, kept_r)
        if not again then said[6] = s:match("^%a+")
        elseif drsession.id(s) == drsession.id(drsession.open(r)) then
            said[6] = "stale"
        else said[6] = "foreign" end
        kept = r.args ~= "again" and kept or nil
        collectgarbage()
        r:puts(table.concat(said, " "))
    end
    return apache2.OK
end
LUA

my $gone = 'stale stale stale stale ok';

# The client keeps its connection, so that one process of prefork and one
# thread of the others serve all of it.
sub try_scope {
    my ($mpm, $scope, $said) = @_;
    my $httpd = start_httpd(redis => $redis, @modules, mpm => $mpm,
        servers => 1, threads => $scope eq 'conn' ? 8 : 1,
        docs => { 'keep.lua' => $keeper },
        conf => $common . "LuaScope $scope\n");
    my ($mine, $other) = (jar(), jar());
    for (1 .. 3) {
        is $httpd->get('/keep.lua?keep', jar => $mine)->{body}, 'kept',
            'a request keeps its handle';
        is $httpd->get('/keep.lua?use', jar => $other)->{body}, $said,
            "the next is $said";
    }
    is $redis->cmd('HGET', 'drsession:' . $mine->id, 'secret'), 1,
        'nothing was written';
    is $other->id, undef, 'the other has no session of it';
    error_log_is_clean($httpd);
    $httpd->stop;
}

for my $mpm (qw(prefork worker event)) {
    my $stale = "$gone stale";
    for (['once', 'fresh'], ['request', 'fresh'], ['conn', $stale],
         ['thread', $stale], ['server', $stale]) {
        my ($scope, $said) = @$_;
        subtest "a_handle_ends_with_its_request: $mpm, LuaScope $scope" =>
            sub { try_scope($mpm, $scope, $said) };
    }
}

subtest 'hook_and_handler_of_a_file_may_share_a_handle' => sub {
    for (['once', 'none'], ['request', 1], ['conn', 1], ['thread', 1],
         ['server', 1]) {
        my ($scope, $said) = @$_;
        my $httpd = start_httpd(redis => $redis, @modules, start => 0,
            docs => { 'share.lua' => <<'LUA' });
local drsession = require "drsession"
function hook(r)
    s = drsession.open(r)
    s.a = 1
    return apache2.DECLINED
end
function handle(r)
    r:puts(s and s.a or "none")
    return apache2.OK
end
LUA
        $httpd->{conf} = $common . "LuaScope $scope\nLuaHookFixups "
            . $httpd->dir . "/docs/share.lua hook\n";
        $httpd->start;
        is $httpd->get('/share.lua', jar => jar())->{body}, $said,
            "LuaScope $scope: $said" for 1 .. 3;
        error_log_is_clean($httpd);
        $httpd->stop;
    }
};

subtest 'a_request_that_is_not_over_is_still_another_one' => sub {
    my $httpd = start_httpd(redis => $redis, @modules, threads => 8,
        servers => 1, start => 0,
        docs => { 'keep.lua' => $keeper, 'slow/sleep.lua' => $keeper });
    my $docs = $httpd->dir . '/docs';
    $httpd->{conf} = $common . "LuaScope server\n"
        . "LuaHookFixups $docs/keep.lua keep\n";
    $httpd->start;
    my ($mine, $other) = (jar(), jar());
    my @said = parallel(2, sub {
        my ($k) = @_;
        return $httpd->get('/slow/sleep.lua?sleep', jar => $mine)->{body}
            if $k == 0;
        wait_until(8, sub {
            $httpd->get('/keep.lua?use', jar => $other)->{body} ne 'fresh' });
        my $said = $httpd->get('/keep.lua?use', jar => $other)->{body};
        $httpd->add('docs/over', '');
        return $said;
    });
    is $said[0], 1, 'a slow request whose hook has kept its handle';
    is $said[1], "$gone stale", 'is stale for another one';
    error_log_is_clean($httpd);
    $httpd->stop;
};

subtest 'interpreters_change_threads' => sub {
    for (['event', 'thread'], ['event', 'server 2 8'], ['worker', 'thread'],
         ['worker', 'server 2 8'], ['prefork', 'server']) {
        my ($mpm, $scope) = @$_;
        my $httpd = start_httpd(redis => $redis, @modules, threads => 8,
            mpm => $mpm, servers => 1, docs => { 'keep.lua' => $keeper },
            conf => $common . "LuaScope $scope\n");
        my @counts = parallel(8, sub {
            my %seen;
            my $own = jar();
            for (1 .. 60) {
                my $how = $_ % 3 ? $_ % 3 == 1 ? 'keep' : 'use' : 'again';
                my $r = $httpd->get("/keep.lua?$how", jar => $own,
                    close => $_ % 7 == 0);
                $seen{"$r->{status} $r->{body}"}++;
            }
            return \%seen;
        });
        my %all;
        for my $seen (@counts) { $all{$_} += $seen->{$_} for keys %$seen }
        my @odd = grep { !/\A200 (?:kept|fresh|$gone stale)\z/ } keys %all;
        is "@odd", '', "$mpm, LuaScope $scope: kept, stale or fresh, nothing else";
        my ($stale) = grep { /stale/ } keys %all;
        ok $stale && $all{$stale} > 10, 'many were stale';
        error_log_is_clean($httpd);
        $httpd->stop;
    }
};

subtest 'two_clients_at_once' => sub {
    my $httpd = start_httpd(redis => $redis, @modules,
        docs => { 'run.lua' => $run }, conf => $common . "LuaScope thread\n");
    $jar = jar();
    my $run = sub {
        my ($own, $code) = @_;
        return $httpd->request('POST', '/run.lua', jar => $own,
            body => "local s, d, r = ...\n$code")->{body};
    };
    $run->($jar, 's.start = true');
    my @added = parallel(4, sub {
        my ($k) = @_;
        my ($own, $added) = ($jar->copy, 0);
        for my $n (1 .. 25) {
            $run->($own, "d.incr(s, 'n'); s.f${k}_$n = {$k, $n}");
            $added += $run->($own, "return d.add(s, 'a$n', $k)") eq 'true';
        }
        return $added;
    });
    is held('n'), 100, 'every increment counts';
    is $redis->cmd('HLEN', 'drsession:' . $jar->id), 1 + 1 + 100 + 25,
        'no write undid another';
    my $sum = 0;
    $sum += $_ for @added;
    is $sum, 25, 'of several add() one was first';
    error_log_is_clean($httpd);
    $httpd->stop;
};

subtest 'failures_are_told' => sub {
    my $own = start_redis();
    my $httpd = start_httpd(redis => $own, @modules, docs => {
        'run.lua' => $run, 'hello.lua' => $example{'hello.lua'},
        'try.lua' => $example{'try.lua'} },
        conf => $common . "DRSessionTimeout command=200ms\n");
    $jar = jar();
    my $run = sub {
        my ($code) = @_;
        return $httpd->request('POST', '/run.lua', jar => $jar,
            body => "local s, d, r = ...\n$code")->{body};
    };
    $run->('s.n = 1');
    $own->hang;
    like $run->('d.incr(s, "n")'), qr/\Aerror unsure: /, 'unsure';
    like $run->('return s.n'), qr/\Aerror down: /, 'down';
    $own->resume;
    $own->stop;
    my $r = $httpd->get('/hello.lua', jar => $jar);
    is $r->{status}, 500, 'an error that is not caught is 500';
    like $r->{body}, qr/\bdown: .*\(.*hello\.lua:5\)/, 'and says what and where';
    unlike $r->{body}, qr/\Q@{[$jar->id]}/, 'but no id';
    $r = $httpd->get('/try.lua', jar => $jar);
    is $r->{status}, 503, 'one that is caught is what the script says';
    is header($r, 'Retry-After'), 1, 'with its header';
    $r = $httpd->get('/hello.lua', jar => jar());
    is $r->{status}, 500, 'without a session too';
    is scalar(headers($r, 'Set-Cookie')), 0, 'and no cookie';
    like $httpd->error_log, qr/Lua error: down: /, 'the log has it';
    error_log_is_clean($httpd, qr/Lua error: (?:down|unsure): /,
        qr/\[drsession:\w+\]/);
    $httpd->stop;
};

subtest 'the_build_finds_the_right_lua_and_place' => sub {
    my $needed = sub {
        my ($lua) = qx(readelf -d $_[0]) =~ /NEEDED.*\[(liblua[^\]]*)\]/;
        return $lua;
    };
    my $modlua = DRS::Httpd::libexec() . '/mod_lua.so';
    is $needed->($guest), $needed->($modlua), 'the library of mod_lua';
    like qx(readelf -d $guest), qr/NODELETE/, 'and is never unloaded';
    my $httpd = start_httpd(redis => $redis, @modules,
        docs => { 'path.lua' => <<'LUA' }, conf => $common =~ s/^LuaP.*\n//mr);
function handle(r)
    r:puts(package.cpath)
    return apache2.OK
end
LUA
    my $cpath = $httpd->get('/path.lua')->{body};
    my $root = $httpd->dir . '/root';
    my $make = $ENV{MAKE} // 'make';
    my ($build) = $guest =~ m{\A(.*)/lua/};
    my $said = qx($make -s -C '$FindBin::Bin/..' install-lua DESTDIR=$root BUILD=$build 2>&1);
    my @found = grep { -e "$root$_" } map { s/\?/drsession/r } grep { m{^/} }
        split /;/, $cpath;
    is scalar(@found), 1, 'make install puts it where mod_lua looks'
        or diag $said;
    error_log_is_clean($httpd);
};

# Lays what `make install` made over the system, for one httpd alone.
subtest 'what_is_installed_is_found' => sub {
    my $root = start_httpd(start => 0)->dir . '/root';
    my ($build) = $guest =~ m{\A(.*)/lua/};
    my $make = $ENV{MAKE} // 'make';
    my $said = qx($make -s -C '$FindBin::Bin/..' install -o all -o lua DESTDIR=$root BUILD=$build 2>&1);
    ok -e $root . DRS::Httpd::libexec() . '/mod_drsession.so', 'the module'
        or diag $said;
    my $httpd = start_httpd(redis => $redis, @modules, plain => 1, start => 0,
        docs => { 'hello.lua' => $example{'hello.lua'} }, cgi => { count =>
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
            . "drsession incr visits\n" });
    my $lay = $httpd->dir . '/lay';
    $httpd->add('lay', join "\n", 'set -e', (map {
        "mount -t overlay drs -o lowerdir=$root/$_:/$_ /$_" }
        map { m{([^/]+)\z} } glob "$root/*"), 'exec "$@"');
    $httpd->{inside} = ['unshare', '-m', 'sh', $lay];
    plan skip_all => 'no folder can be laid over another here'
        if system "unshare -m sh $lay true >/dev/null 2>&1";
    $httpd->{conf} = 'DRSessionServer ' . $redis->url . "\n"
        . ($redis->{credentials} // '')
        . ($common =~ s/^LuaPackageCPath.*\n//mr)
        . "<Location /cgi>\nDRSessionChildAccess On\n</Location>\n";
    my ($load) = map { DRS::Httpd::slurp($_) } glob "$root/etc/*/*/drsession.load";
    $load //= 'LoadModule drsession_module ' . DRS::Httpd::libexec()
        . "/mod_drsession.so\n";
    $httpd->{conf} = "$load$httpd->{conf}";
    $httpd->start;
    local $jar = jar();
    is $httpd->get('/hello.lua', jar => $jar)->{body}, "visit 1\n",
        'the Lua of mod_lua finds it without LuaPackageCPath';
    is $httpd->get('/cgi/count', jar => $jar)->{body}, "2\n",
        'a program finds the command';
    error_log_is_clean($httpd);
    $httpd->stop;
};

done_testing;
