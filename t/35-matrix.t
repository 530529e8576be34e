#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every door to the session against every other, under every MPM: what one
# writes all read in the next request, as Redis holds it; what one deletes,
# ends or gives a new id is gone for all; and nothing is lost of what all of
# them write at once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Backend;
use JSON::PP ();
use Test::More;

needs(qw(lua proxy proxy_http proxy_fcgi headers rewrite));
my $build = $ENV{DRS_BUILD} // "$FindBin::Bin/../build";
my $home = DRS::Httpd::lua_home()
    // plan skip_all => 'drsession.so is not built: "make lua" says why';
-x "$build/drsession" or plan skip_all => 'the command is not built';
my ($python) = grep { !system "$_ -c 'import redis' >/dev/null 2>&1" }
    'python3', '/usr/bin/python3';
$python or plan skip_all => 'no python3-redis';

# Values of every type: a name, JSON, the same in Lua, the plain text that
# variables and headers show (undef: not fit to be shown there).
my @values = (
    [text => '"q\"b\\\\ s\/, \u00e4\ud83d\ude00 ' . "\xc3\xa4\xe2\x82\xac\"",
        "'q\"b\\\\ s/, \\u{e4}\\u{1f600} \\u{e4}\\u{20ac}'",
        "q\"b\\ s/, \xc3\xa4\xf0\x9f\x98\x80 \xc3\xa4\xe2\x82\xac"],
    [ctrl => '"a\nb\u0000c"', '"a\nb\0c"', undef],
    [big  => '9007199254740993', '9007199254740993', '9007199254740993'],
    [half => '-2.5', '-2.5', '-2.5'],
    [obj  => '{"a":{"b":[1,{"c":null}],"d":"x, y"}}',
        '{a = {b = {1, {c = d.null}}, d = "x, y"}}',
        '{"a":{"b":[1,{"c":null}],"d":"x, y"}}'],
    [list => '[]', 'd.array()', '[]'],
    [null => 'null', 'd.null', ''],
    [yes  => 'true', 'true', 'true'],
);
my %plain = (map { $_->[0] => $_->[3] } @values);
my @names = ((map { $_->[0] } @values), 'n');

# Programs. The one in Perl is a Redis client of a few lines.
my %cgi = (
    drsession => DRS::Httpd::slurp("$build/drsession"),
    sh => <<'CGI',
#!/bin/sh
PATH=${0%/*}:$PATH
printf 'Content-Type: text/plain\r\n\r\n'
eval "$(cat)"
CGI
    env => <<'CGI',
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
env
CGI
    header => <<'CGI',
#!/bin/sh
read -r line
printf 'Content-Type: text/plain\r\nDRSession: %s\r\n\r\ndone' "$line"
CGI
    redis => <<'CGI',
#!/usr/bin/perl
use Socket;
my ($path) = $ENV{DRSESSION_URL} =~ m{\Aunix://([^?]+)} or die 'no socket';
socket my $redis, PF_UNIX, SOCK_STREAM, 0 or die $!;
connect $redis, pack_sockaddr_un($path) or die $!;
select((select($redis), $| = 1)[0]);
sub redis {
    print {$redis} '*', scalar @_, "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @_;
    my $line = readline $redis;
    return $1 if $line =~ /\A[:+](.*)\r/;
    my ($length) = $line =~ /\A\$(-?\d+)/ or die $line;
    return undef if $length < 0;
    read $redis, my $bytes, $length + 2;
    return substr $bytes, 0, $length;
}
my %command = (get => 'HGET', set => 'HSET', incr => 'HINCRBY',
    del => 'HDEL', destroy => 'DEL');
print "Content-Type: text/plain\r\n\r\n";
while (my $line = readline STDIN) {
    chomp $line;
    my ($verb, @words) = map { s/%(..)/chr hex $1/ger } split / /, $line;
    die "gone\n" if $verb ne 'get' && $ENV{DRSESSION_STATUS} eq 'live'
        && !redis('EXISTS', $ENV{DRSESSION_KEY});
    my $said = redis($command{$verb}, $ENV{DRSESSION_KEY}, @words);
    print defined $said ? "=$said\n" : "-\n";
}
CGI
);

# Runs the Lua it is given: `s, d` are the session and the module, text(v) is
# a value as JSON.
my $lua = <<'LUA';
local d = require "drsession"

local function text(v)
    local parts, array = {}, nil
    if v == d.null then return "null" end
    if type(v) == "string" then
        return '"' .. v:gsub('[%c"\\]', function(c)
            return ("\\u%04x"):format(c:byte()) end) .. '"'
    elseif type(v) ~= "table" then return tostring(v) end
    array = getmetatable(v) == getmetatable(d.array())
    for k, w in pairs(v) do
        parts[#parts + 1] = array and text(w) or text(k) .. ":" .. text(w)
    end
    return (array and "[%s]" or "{%s}"):format(table.concat(parts, ","))
end

function handle(r)
    local said = load(r:requestbody())(d.open(r), d, text)
    r.content_type = "text/plain"
    r:write(said or "done")
    return apache2.OK
end
LUA

my $redis   = start_redis();
my $backend = DRS::Backend->new;
my $live    = DRS::Backend->new(program => 'responder.py', python => $python);
my $conf    = <<"CONF";
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=5s command=10s request=20s
DRSessionPool wait=10s
LuaPackageCPath $home/?.so
ProxyPass /proxy/ @{[$backend->url('http')]}/
ProxyPass /fcgi/ @{[$backend->url('fcgi')]}/
ProxyPass /live/ @{[$live->url('fcgi')]}/
<Files run.lua>
    SetHandler lua-script
</Files>
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<LocationMatch "^/(?:cgi/sh|cgi/redis|live/)">
    DRSessionChildAccess On
</LocationMatch>
<LocationMatch "^/(?:cgi/header|proxy/|fcgi/)">
    DRSessionHeader On
</LocationMatch>
<LocationMatch "^/(?:cgi/env|live/)">
    DRSessionExport @names
</LocationMatch>
RewriteMap s int:drsession
<Location /cgi/env>
    RewriteEngine On
@{[join "\n", map { "RewriteRule ^ - [E=MAP_$_:\${s:$_}]" }
    grep { $_ ne 'ctrl' } @names]}
</Location>
<Location /proxy/echo>
@{[join "\n", map { "DRSessionForward $_ X-F-$_" } @names]}
</Location>
<Location /page.txt>
@{[join "\n", map { "Header set X-V-$_ \"expr=%{DRSESSION:$_}\"" }
    grep { $_ ne 'ctrl' } @names]}
</Location>
<LocationMatch "^/need/(?<FIELD>.+)">
    Require drsession %{env:MATCH_FIELD}
</LocationMatch>
CONF
our $httpd;

my $json = JSON::PP->new->canonical->allow_nonref->utf8;
sub key { return "drsession:$_[0]" }
sub held { return $redis->cmd('HGET', key($_[0]->id // 'none'), $_[1]) }
sub quoted { return "'" . $_[0] =~ s/'/'\\''/gr . "'" }
sub same_value { my ($text) = @_;
    return defined $text ? $json->encode($json->decode($text)) : undef }

# One request that has to succeed; what it said.
sub ask {
    my ($jar, $method, $path, $body) = @_;
    my $r = $httpd->request($method, $path, jar => $jar,
        defined $body ? (body => $body) : ());
    die "$method $path: $r->{status} $r->{body}\n" if $r->{status} >= 300;
    return $r->{body};
}

sub c_api {
    my ($jar, $line) = @_;
    my $said = $httpd->drs({ jar => $jar }, $line);
    $said =~ s/\Aok ?// or die "C: $said\n";
    return $said;
}
sub lua { my ($jar, $code) = @_;
    return ask($jar, 'POST', '/run.lua', "local s, d, text = ...\n$code") }
sub sh { my ($jar, $script) = @_;
    my $said = ask($jar, 'POST', '/cgi/sh', "{ $script; } 2>&1; echo \$?");
    $said =~ s/(?:\A|\n)0\n\z// or die "drsession: $said\n";
    return $said }

# The line protocol of a Redis client: a CGI program or a FastCGI one.
sub client {
    my ($path, $jar, @lines) = @_;
    my @said = map { s/\A=// ? s/%(..)/chr hex $1/ger : undef }
        split /\n/, ask($jar, 'POST', $path, join '', map {
            my ($verb, @words) = @$_;
            join(' ', $verb, map { pct($_) } @words) . "\n" } @lines);
    return wantarray ? @said : $said[-1];
}

# A response header: of a CGI program or of a backend that is told to.
sub header_of {
    my ($path, $jar, $value) = @_;
    return $path =~ m{^/cgi/} ? ask($jar, 'POST', $path, "$value\n")
        : ask($jar, 'GET', "$path?" . pct("DRSession: $value"));
}

# The doors that write: what each verb is there, or why there is none, with a
# call that must then be refused. "get" stands in @readers.
sub by_header {
    my ($path) = @_;
    my $do = sub { header_of($path, @_) };
    return (
        set        => sub { $do->($_[0], "set $_[1] $_[2]") },
        incr       => sub { $do->($_[0], "incr $_[1] $_[2]") },
        delete     => sub { $do->($_[0], "delete $_[1]") },
        destroy    => sub { $do->($_[0], 'destroy') },
        regenerate => sub { $do->($_[0], 'regenerate') },
        get => ['a response header only writes; reading is by '
            . 'DRSessionForward', sub { $do->($_[0], 'get text') }],
    );
}
sub by_client {
    my ($path) = @_;
    my $do = sub { my ($jar, @line) = @_; client($path, $jar, [@line]) };
    return (
        set     => sub { $do->($_[0], 'set', @_[1, 2]) },
        incr    => sub { $do->($_[0], 'incr', @_[1, 2]) },
        delete  => sub { $do->($_[0], 'del', $_[1]) },
        destroy => sub { $do->($_[0], 'destroy') },
        dead_cookie => 1,
        regenerate  => ['the new id has to be sent as a cookie, which a '
            . 'client of Redis cannot'],
    );
}
my @writers = (
    { name => 'C',
        set        => sub { c_api($_[0], "set $_[1] " . pct($_[2])) },
        incr       => sub { c_api($_[0], "incr $_[1] $_[2]") },
        delete     => sub { c_api($_[0], "del $_[1]") },
        destroy    => sub { c_api($_[0], 'destroy') },
        regenerate => sub { c_api($_[0], 'regenerate') } },
    { name => 'Lua', reformats => 1,
        set        => sub { lua($_[0], "s.$_[1] = " . ($_[3] // $_[2])) },
        incr       => sub { lua($_[0], "d.incr(s, '$_[1]', $_[2])") },
        delete     => sub { lua($_[0], "s.$_[1] = nil") },
        destroy    => sub { lua($_[0], 'd.destroy(s)') },
        regenerate => sub { lua($_[0], 'assert(d.regenerate(s))') } },
    { name => 'the command drsession', dead_cookie => 1,
        set     => sub { sh($_[0], 'printf %s ' . quoted($_[2])
            . " | drsession set $_[1] -") },
        incr    => sub { sh($_[0], "drsession incr $_[1] $_[2]") },
        delete  => sub { sh($_[0], "drsession del $_[1]") },
        destroy => sub { sh($_[0], 'drsession destroy') },
        regenerate => ['the headers with the cookie of a new id are '
            . 'httpd\'s', sub { sh($_[0], 'drsession regenerate') }] },
    { name => 'a Redis client in CGI', by_client('/cgi/redis') },
    { name => 'a Redis client in FastCGI', by_client('/live/x') },
    { name => 'a response header of CGI', by_header('/cgi/header') },
    { name => 'a response header of FastCGI', by_header('/fcgi/x') },
    { name => 'a response header of a proxied backend',
        by_header('/proxy/x') },
    { name => 'REST',
        set        => sub { ask($_[0], 'PUT', "/session/$_[1]", $_[2]) },
        incr       => sub {
            ask($_[0], 'POST', "/session/$_[1]?incr=$_[2]") },
        delete     => sub { ask($_[0], 'DELETE', "/session/$_[1]") },
        destroy    => sub { ask($_[0], 'DELETE', '/session') },
        regenerate => sub { ask($_[0], 'POST', '/session?regenerate') } },
);
my %read_only = (
    'exported variables'        => 'a variable is a copy',
    'an expression, Require'    => 'a configuration asks, it does not change',
    'RewriteMap'                => 'a map is looked up',
    'a forwarded header'        => 'the backend answers by DRSessionHeader',
);

# The doors that read. Each is asked once and gives a view or more of the
# fields: its name, what it shows, and a list (undef: no such field). It shows
# bytes as Redis holds them; a value; a text; a text that is empty for "no such
# field"; or whether there is one.
sub lines_of { my ($text, $form, @fields) = @_;
    return [map { $text =~ /^@{[sprintf $form, $_]}([^\r\n]*)/m ? $1 : undef }
        @fields] }
my @readers = (
    sub { my ($jar, @fields) = @_;
        return ['C', 'bytes', [map { $_ eq '(nil)' ? undef : $_ }
            split /\t/, c_api($jar, "get_many @fields")]] },
    sub { my ($jar, @fields) = @_;
        my $said = $json->decode(lua($jar, <<"LUA"));
local held, read = d.array(), d.array()
for i, f in ipairs{@{[join ',', map { "'$_'" } @fields]}} do
    held[i] = d.getjson(s, f) or d.null
    read[i] = s[f] ~= nil and text(s[f]) or d.null
end
return text(d.array{held, read})
LUA
        for my $list (@$said) { defined && utf8::encode($_) for @$list }
        return ['Lua, getjson', 'bytes', $said->[0]],
            ['Lua', 'value', $said->[1]] },
    sub { my ($jar, @fields) = @_;
        return ['the command drsession', 'bytes', [map { $_ eq '' ? undef : $_ }
            (split /\n/, sh($jar, "for f in @fields; do drsession get \$f || "
                . '{ [ $? = 1 ] && echo; }; done'), -1)[0 .. $#fields]]] },
    sub { my ($jar, @fields) = @_;
        return ['a Redis client in CGI', 'bytes',
            [client('/cgi/redis', $jar, map { [get => $_] } @fields)]] },
    sub { my ($jar, @fields) = @_;
        my @said = client('/live/x', $jar, (map { [get => $_] } @fields),
            map { [env => "DRSESSION_$_"] } @fields);
        return ['a Redis client in FastCGI', 'bytes', [@said[0 .. $#fields]]],
            ['variables of FastCGI', 'text', [@said[@fields .. $#said]]] },
    sub { my ($jar, @fields) = @_;
        my $text = ask($jar, 'GET', '/cgi/env');
        return ['variables of CGI', 'text',
            lines_of($text, 'DRSESSION_%s=', @fields)],
            ['RewriteMap', 'blank', lines_of($text, 'MAP_%s=', @fields)] },
    sub { my ($jar, @fields) = @_;
        return ['a forwarded header', 'text', lines_of(
            ask($jar, 'GET', '/proxy/echo'), 'X-F-%s: ?', @fields)] },
    sub { my ($jar, @fields) = @_;
        my $r = $httpd->get('/page.txt', jar => $jar);
        return ['an expression', 'blank',
            [map { header($r, "X-V-$_") } @fields]] },
    sub { my ($jar, @fields) = @_;
        return ['Require', 'there', [map { my $status =
            $httpd->get("/need/$_", jar => $jar)->{status};
            $status == 404 ? 1 : $status == 403 ? undef : $status }
            @fields]] },
    sub { my ($jar, @fields) = @_;
        my $all = $json->decode(ask($jar, 'GET', '/session'));
        return ['REST', 'bytes', [map { my $r = $httpd->get("/session/$_",
            jar => $jar); $r->{status} == 404 ? undef
            : $r->{status} == 200 ? $r->{body} : $r->{status} } @fields]],
            ['REST, all', 'value', [map { exists $all->{$_}
                ? $json->encode($all->{$_}) : undef } @fields]] },
);

# What a view of some kind shows of what Redis holds. What a control character
# is in, is an error to expressions and not asked for there.
sub shown {
    my ($kind, $field, $text) = @_;
    return defined $text ? 1 : undef if $kind eq 'there';
    return same_value($text) if $kind eq 'value';
    return $text if $kind eq 'bytes';
    return $kind eq 'blank' && $field ne 'ctrl' ? '' : undef
        unless defined $text;
    return $text unless exists $plain{$field};
    return $text =~ /^[\[{]/ ? $text : $plain{$field};
}

# All doors are asked in the next request, with a copy of the cookie.
sub all_agree {
    my ($jar, $name, @fields) = @_;
    my %held = map { $_ => held($jar, $_) } @fields;
    my ($views, @odd) = (0);
    for my $reader (@readers) {
        for my $view ($reader->($jar->copy, @fields)) {
            my ($door, $kind, $said) = @$view;
            $views++;
            for my $k (0 .. $#fields) {
                my $want = shown($kind, $fields[$k], $held{ $fields[$k] });
                my $got = $said->[$k];
                $got = same_value($got) if $kind eq 'value';
                push @odd, "$door: $fields[$k] is " . ($got // '(absent)')
                    . ', not ' . ($want // '(absent)')
                    if ($got // '(absent)') ne ($want // '(absent)');
            }
        }
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok !@odd && $views == 14, "$name, $views views agree"
        or diag join "\n", @odd;
}

sub begin {
    my ($field) = @_;
    my $jar = jar();
    c_api($jar, "set $field 0");
    return $jar;
}

# One door against all.
sub try_writer {
    my ($door) = @_;
    my $jar = jar();
    for my $value (@values) {
        my ($field, $text, $lua) = @$value;
        $door->{set}->($jar, $field, $text, $lua);
        my $held = held($jar, $field);
        $held = same_value($held) if $door->{reformats};
        is $held, $door->{reformats} ? same_value($text) : $text,
            "set $field: Redis holds it";
    }
    ok wait_until(5, sub { $redis->cmd('PTTL', key($jar->id)) > 0 }),
        'the session has its expiry';
    $door->{incr}->($jar, 'n', $_) for 7, -2;
    is held($jar, 'n'), 5, 'incr';
    all_agree($jar, 'set, incr', @names);
    $door->{delete}->($jar, 'text');
    is held($jar, 'text'), undef, 'delete';
    all_agree($jar, 'delete', 'text', 'n');
    if (ref $door->{regenerate} eq 'CODE') {
        my $old = $jar->copy;
        $door->{regenerate}->($jar);
        isnt $jar->id, $old->id, 'regenerate';
        is $redis->cmd('EXISTS', key($old->id)), 0, 'the old key is gone';
        all_agree($jar, 'regenerate: under the new id', 'big', 'n');
        all_agree($old, 'regenerate: under the old id', 'big', 'n');
    }
    my $old = $jar->copy;
    $door->{destroy}->($jar);
    is $redis->cmd('EXISTS', key($old->id)), 0, 'destroy';
    is $jar->id, $door->{dead_cookie} ? $old->id : undef,
        $door->{dead_cookie} ? 'no cookie can be expired here'
        : 'the cookie is expired';
    all_agree($jar, 'destroy: without a cookie', 'big', 'n')
        unless $door->{dead_cookie};
    all_agree($old, 'destroy: with the old one', 'big', 'n');
    is $redis->cmd('EXISTS', key($old->id)), 0, 'nobody brought it back';
}

# A thousand, by clients that go from door to door.
sub increments {
    my $jar = begin('n');
    my @failed = parallel(8, sub {
        my ($k) = @_;
        my $own = $jar->copy;
        for my $n (0 .. 124) {
            $writers[($n + $k) % @writers]{incr}->($own, 'n', 1);
        }
        return $own->id eq $jar->id ? '' : 'another cookie';
    }, 180);
    is join('', @failed), '', 'nobody fails';
    is held($jar, 'n'), 1000, 'of 1,000 increments none is lost';
    all_agree($jar, 'the sum', 'n');
}

sub fields_of_their_own {
    my $jar = begin('begun');
    my $rounds = 2 * @writers;
    my @failed = parallel(16, sub {
        my ($k) = @_;
        my $own = $jar->copy;
        for my $n (1 .. $rounds) {
            my $door = $writers[($n + $k) % @writers];
            $door->{set}->($own, "last$k", $n);
            $door->{set}->($own, "f${k}x$n", $n);
        }
        return $own->id eq $jar->id ? '' : 'another cookie';
    }, 180);
    is join('', @failed), '', 'nobody fails';
    is_deeply { @{ $redis->cmd('HGETALL', key($jar->id)) } },
        { begun => 0, map { my $k = $_; ("last$k" => $rounds,
            map { ("f${k}x$_" => $_) } 1 .. $rounds) } 0 .. 15 },
        'of 16 clients nothing is lost';
}

# What is not there is listed, and refused where somebody tries.
subtest 'cells_that_do_not_apply' => sub {
    local $httpd = start();
    my $jar = begin('text');
    for my $door (@writers) {
        for my $verb (qw(get set incr delete destroy regenerate)) {
            my $cell = $door->{$verb} // next;
            next if ref $cell eq 'CODE';
            my ($why, $try) = @$cell;
            $try = $try ? eval { $try->($jar); 0 } // 1 : 1;
            ok $try, "$verb by $door->{name}: $why";
        }
        pass "destroy by $door->{name} leaves a cookie that is dead: its "
            . 'headers are httpd\'s' if $door->{dead_cookie};
    }
    pass "$_ does not write: $read_only{$_}" for sort keys %read_only;
    is held($jar, 'text'), 0, 'and nothing was changed';
    error_log_is_clean($httpd, qr/response header DRSession is malformed/,
        qr/AH01075.*passing brigade to output filters/);
    $httpd->stop;
};

sub start {
    return start_httpd(redis => $redis, mpm => $_[0] // 'event', cgi => \%cgi,
        modules => [qw(lua proxy proxy_http proxy_fcgi)], conf => $conf,
        docs => { 'run.lua' => $lua, 'page.txt' => 'page' });
}
for my $mpm (qw(prefork worker event)) {
    local $httpd = start($mpm);
    for my $door (@writers) {
        subtest "$mpm: all read what $door->{name} writes" =>
            sub { try_writer($door) };
    }
    subtest "$mpm: increments of all doors" => \&increments;
    subtest "$mpm: fields of all doors" => \&fields_of_their_own;
    error_log_is_clean($httpd, qr/DRSession.* is not shown/, qr/AH01630/);
    $httpd->stop;
    $redis->cmd('FLUSHALL');
}
done_testing;
