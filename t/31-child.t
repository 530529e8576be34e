#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# DRSessionChildAccess and the command drsession: a CGI program works on the
# session of its request by itself, under mod_cgi and under mod_cgid.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Proc;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Time::HiRes qw(sleep);

needs(qw(include headers setenvif rewrite));
my $command = ($ENV{DRS_BUILD} // 'build') . '/drsession';
$command = "$FindBin::Bin/../$command" unless -x $command;
plan skip_all => 'the command drsession is not built' unless -x $command;

sub slurp {
    my ($name) = @_;
    open my $in, '<:raw', $name or die "$name: $!";
    local $/;
    return scalar readline $in;
}

# Programs: one that does what the request's body says, one that shows its
# environment, one that counts itself, one that writes as no program should.
my %cgi = (
    drsession => slurp($command),
    sh => <<'CGI',
#!/bin/sh
PATH=${0%/*}:$PATH
printf 'Content-Type: text/plain\r\n\r\n'
script=$(cat)
{ eval "$script"; } 2>&1
CGI
    env => <<'CGI',
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
env | LC_ALL=C sort
CGI
    count => <<'CGI',
#!/bin/sh
PATH=${0%/*}:$PATH
printf 'Content-Type: text/plain\r\n\r\n[%s]' "$(drsession incr n 2>&1)"
CGI
    seen => <<'CGI',
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n(%s %s)' $DRSESSION_STATUS $DRSESSION_n
CGI
    rude => <<'CGI',
#!/usr/bin/perl
use IO::Socket::UNIX;
my $redis = IO::Socket::UNIX->new(Peer => $ENV{DRSESSION_URL} =~ s{^unix://}{}r);
print {$redis} "HSET $ENV{DRSESSION_KEY} rude 1\r\nPERSIST $ENV{DRSESSION_KEY}\r\n"
    . "PTTL $ENV{DRSESSION_KEY}\r\n";
$redis->flush;
my @said = map { scalar readline $redis } 1 .. 3;
print "Content-Type: text/plain\r\n\r\n$said[2]";
CGI
);
for my $name (qw(visits.sh visits.py visits.pl)) {
    $cgi{$name} = slurp("$FindBin::Bin/cgi/$name");
    $cgi{$name} =~ s/^(#!\/bin\/sh\n)/$1PATH=\${0%\/*}:\$PATH\n/;
}

my $conf = <<'CONF';
DRSession On
DRSessionIdle 1h
ScriptAlias /open/ cgi/
ScriptAlias /ro/ cgi/
ScriptAlias /pass/ cgi/
ScriptAlias /lax/ cgi/
ScriptAlias /none/ cgi/
ScriptAlias /other/ cgi/
SetEnvIf Spoof "(.+)" DRSESSION_KEY=$1 DRSESSION_URL=$1 DRSESSION_IDLE=$1 DRSESSION_STATUS=$1 drsession_Key=$1
<LocationMatch "^/(?:cgi|ro|pass|lax|drs2|page)">
    DRSessionChildAccess On
</LocationMatch>
<Location /cgi>
    DRSessionExport user n
    ErrorDocument 404 /open/env
</Location>
<Location /ro>
    DRSession ReadOnly
</Location>
<Location /pass>
    DRSessionOnError pass
</Location>
<Location /lax>
    DRSessionStrict Off
</Location>
<Location /drs2>
    SetHandler drstest
</Location>
<Location /none>
    DRSession Off
</Location>
<Location /other>
    DRSessionEnv SHOP
    DRSessionChildAccess On
</Location>
<LocationMatch ^/page-parts>
    DRSessionExport n n=SHOP_n n=COUNT
</LocationMatch>
CONF

my $redis = start_redis();
our ($httpd, $jar);

sub start {
    my ($mpm, %opt) = @_;
    return start_httpd(mpm => $mpm, redis => $redis, cgi => \%cgi,
        conf => $conf, docs => {
            'page.shtml' => '<!--#include virtual="/cgi/seen" -->'
                . ('<!--#include virtual="/cgi/count" -->'
                . '<!--#include virtual="/cgi/seen" -->') x 2,
            'page-parts.shtml' => join("==\n", map {
                "<!--#include virtual=\"/$_/env\" -->" }
                qw(none open other none)),
            'late.shtml' => ('x' x 100_000)
                . '<!--#include virtual="/cgi/count" -->',
        }, %opt);
}

# What a program says: its output, or the status of a failed request.
sub sh {
    my ($script, %opt) = @_;
    my $r = $httpd->request('POST', $opt{path} // '/cgi/sh', jar => $jar,
        headers => $opt{headers} // [], body => $script);
    return "http:$r->{status}" if $r->{status} != 200;
    return $r->{body} =~ s/\n\z//r;
}

# The exit code of a command, and what it wrote.
sub run {
    my ($script, %opt) = @_;
    my $said = sh("{ $script\n}; echo \" exit \$?\"", %opt);
    my ($out, $code) = $said =~ /\A(.*) exit (\d+)\z/s
        or return "no exit: $said";
    $out =~ s/\n\z//;
    return $out eq '' ? $code : "$code $out";
}

sub vars {
    my ($path, %opt) = @_;
    my $r = $httpd->get($path, jar => $jar, %opt);
    return { status => $r->{status} } if $r->{body} !~ /^PATH=/m;
    return { map { /\A([^=]+)=(.*)\z/ ? ($1, $2) : () }
        split /\n/, $r->{body} };
}

sub key { return 'drsession:' . $jar->id }

# How often Redis was handed bytes by others, once they are done: the last
# trip of a request comes after its response.
my $asked = 0;
sub trips {
    my ($wanted) = @_;
    my ($last, $now) = (-1, -2);
    wait_until(10, sub {
        sleep 0.2;
        $last = $now;
        $now = $redis->stat('total_reads_processed') - ++$asked;
        return $now == $last && $now >= ($wanted // 0);
    });
    return $now;
}

sub ttl_is_an_hour {
    my ($name) = @_;
    my $ttl;
    ok wait_until(5, sub {
        $ttl = $redis->cmd('PTTL', key());
        $ttl > 3_590_000 && $ttl <= 3_600_000;
    }), $name or diag "PTTL $ttl";
}

sub what_a_child_is_told {
    local $jar = jar();
    my $env = vars('/cgi/env');
    is $env->{DRSESSION_STATUS}, 'none', 'a visitor has no session';
    is $env->{DRSESSION_KEY}, key(), 'but the key that its cookie names';
    is $env->{DRSESSION_IDLE}, 3_600_000, 'the expiry in milliseconds';
    is $env->{DRSESSION_URL}, $redis->url, 'the url';
    is $redis->cmd('EXISTS', key()), 0, 'nothing is in Redis';
    my $old = $jar->id;
    $env = vars('/cgi/env');
    isnt $jar->id, $old, 'an id that Redis does not know is not taken';
    is $env->{DRSESSION_KEY}, key(), 'there is another';
    sh('drsession -s set user ann');
    my $id = $jar->id;
    my $before = trips();
    $env = vars('/cgi/env');
    is $env->{DRSESSION_STATUS}, 'live', 'now there is one';
    is $env->{DRSESSION_user}, 'ann', 'with its exports';
    is $env->{DRSESSION_KEY}, "drsession:$id", 'and the same key';
    is $jar->id, $id, 'no new cookie';
    is trips($before + 2) - $before, 2, 'one round trip before and one after';
    $httpd->get('/open/env', jar => $jar) for 1 .. 3;
    is trips() - $before, 2, 'none where no child has access';
    my $visitor = jar();
    $httpd->get('/cgi/env', jar => $visitor);
    is trips($before + 3) - $before, 3, 'a visitor costs the one after';
}

sub first_write_by_the_child {
    local $jar = jar();
    is run('drsession -s set user "ann o\'hara"'), 0, 'written';
    ok defined $jar->id, 'the cookie was sent';
    is run('drsession get user'), '0 "ann o\'hara"',
        'found in the next request';
    is $httpd->drs({ jar => $jar }, 'get user'), 'ok "ann o\'hara"',
        'by a module too';
    ttl_is_an_hour('with its expiry');
}

sub reading_and_writing {
    local $jar = jar();
    is run('drsession set a \' {"b": [1, 2.50]} \''), 0, 'set';
    is run('drsession get a'), '0 {"b": [1, 2.50]}', 'get, byte for byte';
    is run('drsession -s add t "x\\"y"'), 0, 'add';
    is run('drsession get t; drsession get -r t'), qq(0 "x\\"y"\nx"y),
        'as JSON and raw';
    is run('drsession incr n; drsession incr n 5; drsession incr n -2'),
        "0 1\n6\n4", 'incr';
    is run('drsession has n'), 0, 'has';
    is run('drsession del n'), 0, 'del';
    is run('drsession pop -r t'), '0 x"y', 'pop';
    is run('drsession update \'{"a":null,"c":"C","d":4}\''), 0, 'update';
    is_deeply [sort @{ decode_json(run('drsession keys') =~ s/^0 //r) }],
        [qw(c d)], 'keys';
    is_deeply [sort split /\n/, run('drsession -r keys') =~ s/^0 //r],
        [qw(c d)], 'raw keys';
    is_deeply decode_json(run('drsession all') =~ s/^0 //r),
        { c => 'C', d => 4 }, 'all';
    is run('drsession count'), '0 2', 'count';
    is run('drsession set -- -x 1; drsession get -- -x'), '0 1',
        'a field that looks like an option';
    is run('drsession destroy'), 0, 'destroy';
    is $redis->cmd('EXISTS', key()), 0, 'the key is gone';
}

sub what_the_manual_says {
    local $jar = jar();
    my ($examples) = slurp("$FindBin::Bin/../docs/drsession.1")
        =~ /^\.SH EXAMPLES\n\.nf\n(.*?)^\.fi/ms;
    $examples =~ s/\\\(aq/'/g;
    $examples =~ s/\\-/-/g;
    is run("REMOTE_USER=ann; text='a \"note\"'; $examples"
        . 'echo "$visits $user"; drsession get note'),
        "0 1 ann\n\"a \\\"note\\\"\"", 'its examples';
    my ($shell) = slurp("$FindBin::Bin/../docs/cgi.md")
        =~ /^```sh\n(.*?)^```/ms;
    is run("name=\"o'hara\"; $shell echo \"\$visits \$user\"; "
        . 'drsession get cart'), "0 2 o'hara\n{\"items\": 3}",
        'those of docs/cgi.md';
    is run('drsession --string set t "x y"; drsession get --raw t; '
        . 'X_KEY=$DRSESSION_KEY X_URL=$DRSESSION_URL '
        . 'drsession --env X get t'), "0 x y\n\"x y\"", 'long options';
    sh(q{drsession set z '"a\u0000b"'});
    for my $verb (qw(get pop)) {
        like run("drsession -r $verb z"),
            qr/\A2 "a\\u0000b"\ndrsession: $verb: value: .*NUL/,
            "$verb -r: a string with a NUL is printed as JSON";
    }
    is run('drsession has z'), 1, 'and has been taken out';
    is run('drsession destroy; drsession destroy'), 0, 'destroy, twice';
}

sub the_last_field_is_the_session {
    local $jar = jar();
    is run('drsession set a 1; drsession del a; drsession set b 1'), 0,
        'a new session is made again';
    like run('drsession del b; drsession set c 1'), qr/\A5 /,
        'one that was live has ended';
    is $redis->cmd('EXISTS', key()), 0, 'and stays so';
    sh('drsession set a 1');
    is run(q(drsession update '{"a":null,"b":2}'; drsession all)),
        '0 {"b":2}', 'unless update sets another in the same step';
}

sub values_from_standard_input {
    local $jar = jar();
    is run('printf \' {"a":\n1} \' | drsession set f -'), 0, 'JSON';
    is run('drsession get f'), qq(0 {"a":\n1}), 'with its line end';
    is run('printf "two\nlines\n" | drsession -s set f -; drsession get f'),
        '0 "two\\nlines\\n"', 'text, every byte';
    is run('head -c 900000 /dev/zero | tr "\\\\0" x | drsession -s set big -;'
        . ' drsession -r get big | wc -c'), '0 900001', 'a long one';
    is run('printf \'{"u":1,"v":"w"}\' | drsession update -; '
        . 'drsession get v'), '0 "w"', 'an object to update by';
    is run('drsession -s add g - </dev/null; drsession get g'), '0 ""',
        'an empty text';
    is run('drsession set g - </dev/null') =~ s/ .*//sr, 2,
        'an empty input is no JSON';
}

sub expiry_applied_when_the_child_ends {
    local $jar = jar();
    is $httpd->get('/cgi/rude', jar => $jar)->{body}, ":-1\r\n",
        'a new session without expiry while the child runs';
    ttl_is_an_hour('and with one when it has ended');
    is $httpd->get('/cgi/rude', jar => $jar)->{body}, ":-1\r\n",
        'the same with an old one';
    ttl_is_an_hour('it gets it back');
    $redis->cmd('PEXPIRE', key(), 1000);
    sh('drsession incr n');
    ttl_is_an_hour('the command sets it by itself');
}

sub module_and_child_in_one_request {
    local $jar = jar();
    my $r = $httpd->request('POST', '/drs2', jar => $jar,
        body => "get a\nset a 1\nset b 2\ncount\n");
    is $r->{body}, "notfound\nok\nok\nok 2\n", 'the module writes first';
    my @cookies = DRS::Http::headers($r, 'Set-Cookie');
    is @cookies, 1, 'one cookie was sent';
    is $redis->cmd('HLEN', key()), 2, 'of that session';
    ttl_is_an_hour('with its expiry');
    local $jar = jar();
    is $httpd->drs({ jar => $jar, path => '/drs2' }, 'set a 1', 'del a',
        'set b 2'), 'ok', 'emptied and filled';
    is $redis->cmd('HGET', key(), 'b'), 2, 'under one id';
    is_deeply [$httpd->drs({ jar => jar(), path => '/drs2' }, 'regenerate',
        'del a', 'pop a', 'destroy', 'get a')],
        [qw(notfound notfound notfound ok notfound)], 'nothing to end';
    local $jar = jar();
    $r = $httpd->get('/page.shtml', jar => $jar);
    is $r->{body}, '(none )[1](live 1)[2](live 2)',
        'children of one page share it and see what others did';
    @cookies = DRS::Http::headers($r, 'Set-Cookie');
    is @cookies, 1, 'with one cookie';
    is $redis->cmd('HGET', key(), 'n'), 2, 'of that session';
}

sub exit_codes_0_1_2 {
    local $jar = jar();
    sh('drsession set s \'"x"\'');
    is run("drsession $_"), 1, "$_: 1"
        for 'get none', 'has none', 'del none', 'pop none', 'add s 1';
    for my $bad ('', 'none', 'get', 'get a b', 'set a', '-x get a', 'keys a',
        'set a {', 'set a "1 2"', 'set a NaN', 'incr s', 'incr n 1.5',
        'incr n x', 'update "[]"', 'update "{"', '-s set a "$(printf "\\377")"',
        'set "" 1', '-e', "set \"\$(printf %0256d 1)\" 1") {
        like run("drsession $bad"), qr/\A2 (?:usage: |drsession: \w+: value: )/,
            "drsession $bad: 2";
    }
    like run("drsession $_"), qr/\A0 usage: /, "$_: 0" for '-h', '--help';
    like run("$_ drsession get s"),
        qr/\A2 drsession: get: value: DRSESSION_/, "$_: 2"
        for 'DRSESSION_IDLE=1h', 'DRSESSION_IDLE=-1', 'DRSESSION_URL=',
        'DRSESSION_URL=http://x', 'DRSESSION_KEY=';
    is run('head -c 1100000 /dev/zero | tr "\\\\0" x | drsession -s set big -')
        =~ s/ .*//r, 2, 'a value over the limit: 2';
    like run('drsession get s >/dev/full'), qr/\A2 .*standard output/,
        'no room for the answer: 2';
    like run('DRSESSION_KEY= drsession -e X get s'),
        qr/\A2 drsession: get: value: X_KEY/, 'another prefix: 2';
    is run('X_KEY=$DRSESSION_KEY X_URL=$DRSESSION_URL drsession -e X get s'),
        '0 "x"', 'another prefix: 0';
    is $redis->cmd('HLEN', key()), 1, 'and nothing was written';
}

sub exit_code_3_down {
    local $jar = jar();
    my $port = DRS::Proc::dead_port();
    sh('drsession set a 1');
    like run("DRSESSION_URL=redis://127.0.0.1:$port drsession $_"),
        qr/\A3 drsession: \w+: down: .*$port/, "$_: nobody listens"
        for 'get a', 'set a 2', 'destroy';
    like run("DRSESSION_URL=unix:///no/such drsession get a"),
        qr/\A3 drsession: get: down: ./, 'no socket';
    is $redis->cmd('HGET', key(), 'a'), 1, 'nothing was done';
}

sub exit_code_4_unsure {
    local $jar = jar();
    my $answer;
    $redis->hang;
    (my $took, $answer) = timed(sub {
        run("DRSESSION_STATUS=live DRSESSION_KEY=drsession:none "
            . 'DRSESSION_URL=' . $redis->url . ' drsession set a 1',
            path => '/open/sh') });
    cmp_ok $took, '<', 3.5, '2 seconds are the most';
    $answer = run('drsession set a 1');
    $redis->resume;
    like $answer, qr/\A4 drsession: set: unsure: ./, 'a write without answer';
    $jar = jar();
    $redis->hang;
    $answer = run('drsession get a');
    $redis->resume;
    like $answer, qr/\A3 drsession: get: down: ./, 'a read is just down';
}

# A program that waits in the middle, and what happens meanwhile.
sub meanwhile {
    my ($work) = @_;
    my $run = $httpd->dir . '/run';
    unlink "$run/ready", "$run/go";
    my ($answer) = parallel(2, sub {
        my ($k) = @_;
        return run("touch $run/ready; n=0; until [ -e $run/go ] || "
            . "[ \$((n = n + 1)) -gt 200 ]; do sleep 0.05; done; "
            . 'drsession set b 1') if $k == 0;
        wait_until(10, sub { -e "$run/ready" }) or die 'never ready';
        $work->(jar(drsession => $jar->id));
        open my $go, '>', "$run/go" or die $!;
        return '';
    }, 30);
    return $answer;
}

sub exit_code_5_gone {
    local $jar = jar();
    sh('drsession set a 1');
    my $gone = qr/\A5 drsession: \w+: gone: ./;
    like meanwhile(sub { $httpd->drs({ jar => $_[0] }, 'regenerate') }),
        $gone, 'another id was given meanwhile';
    is $redis->cmd('EXISTS', key()), 0, 'the old one stays dead';
    $jar = jar();
    sh('drsession set a 1');
    like meanwhile(sub { $httpd->drs({ jar => $_[0] }, 'destroy') }),
        $gone, 'ended meanwhile by a module';
    is $redis->cmd('EXISTS', key()), 0, 'it is not brought back';
    $jar = jar();
    for my $write ('set b 1', 'add b 1', 'incr b', q(update '{"b":1}'),
        'del a', 'pop a') {
        sh('drsession set a 1');
        like run("drsession destroy; drsession $write"), $gone,
            "ended by the child itself: $write";
        is $redis->cmd('EXISTS', key()), 0, 'it is not brought back';
    }
}

sub a_key_is_made_only_near_its_birth {
    local $jar = jar();
    my $id = sub {
        encode_base64url(substr(pack('Q>', time - $_[0]), 3) . 'r' x 28);
    };
    my ($old, $young) = map { 'drsession:' . $id->($_) } 3700, 3500;
    like run("DRSESSION_KEY=$old drsession set a 1"), qr/\A5 /, 'too late';
    is $redis->cmd('EXISTS', $old), 0, 'nothing was made';
    is run("DRSESSION_KEY=$young drsession set a 1"), 0, 'in time';
    ok $redis->cmd('PTTL', $young) > 0, 'made with its expiry';
    like run('DRSESSION_STATUS= drsession set a 1'), qr/\A5 /,
        'without a status nothing is made';
}

sub exit_code_6_refused {
    local $jar = jar();
    sh('drsession set a 1');
    $redis->cmd('DEL', key());
    $redis->cmd('SET', key(), 'no hash');
    like run("drsession $_", path => '/pass/sh'),
        qr/\A6 drsession: \w+: refused: ./, "drsession $_"
        for 'get a', 'set a 1', 'incr a', 'keys', 'pop a', 'count';
}

sub examples {
    for my $name (qw(visits.sh visits.py visits.pl)) {
        SKIP: {
            skip 'no python3-redis', 1 if $name =~ /py\z/
                && system("/usr/bin/python3 -c 'import redis' 2>/dev/null");
            local $jar = jar();
            my $get = sub { $httpd->get("/cgi/$name$_[0]", jar => $jar) };
            is $get->('')->{body}, "Visit 1 of stranger.\n", $name;
            is $get->('?ann')->{body}, "Visit 2 of ann.\n", 'with a name';
            is $get->('')->{body}, "Visit 3 of ann.\n", 'and again';
            is $httpd->drs({ jar => $jar }, 'get name'), 'ok "ann"',
                'as a module sees it';
            ttl_is_an_hour('with its expiry');
        }
    }
}

sub children_and_the_module_count_together {
    local $jar = jar();
    sh('drsession set n 0');
    my @failed = parallel(6, sub {
        my ($k) = @_;
        my $bad = 0;
        for my $i (1 .. 20) {
            my @said = $k < 4
                ? split /\n/, sh('for i in 1 2 3 4 5 6 7 8 9 0; '
                    . 'do drsession incr n; done')
                : map { $httpd->drs({ jar => $jar }, 'incr n 1') } 1 .. 5;
            $bad += grep { !/\A(?:ok )?\d+\z/ } @said;
            $bad += abs(@said - ($k < 4 ? 10 : 5));
        }
        return $bad;
    }, 120);
    is_deeply \@failed, [(0) x 6], 'every call answers';
    is $redis->cmd('HGET', key(), 'n'), 1000,
        'four children of 200 and two clients of 100: none is lost';
}

sub nobody_can_plant_a_variable {
    my @headers = map { [$_, 'evil'] } 'Spoof', 'DRSESSION-KEY',
        'DRSESSION_KEY', 'DRSESSION-URL', 'DRSESSION-STATUS';
    my $evil = sub {
        my $env = vars($_[0], headers => \@headers);
        return [map { "$_=$env->{$_}" }
            grep { !/^HTTP_/ && $env->{$_} eq 'evil' } sort keys %$env];
    };
    local $jar = jar();
    is_deeply $evil->("/$_/env"), [], "without a session in /$_"
        for qw(cgi open ro);
    is vars('/cgi/env', headers => \@headers)->{DRSESSION_KEY}, key(),
        'the key is ours';
    sh('drsession set a 1');
    is_deeply $evil->("/$_/env"), [], "with a session in /$_"
        for qw(cgi open ro);
}

sub a_key_goes_nowhere_else {
    local $jar = jar();
    sh('drsession set a 1');
    my $id = $jar->id;
    my $env = vars('/cgi/none');
    ok exists $env->{REDIRECT_URL}, 'an error document elsewhere';
    delete $env->{HTTP_COOKIE};
    is_deeply [grep { $env->{$_} =~ /\Q$id\E|redis/ } keys %$env], [],
        'does not learn key or url';
    is vars('/open/env')->{DRSESSION_KEY}, undef, 'nor do other programs';
    sh('drsession set n 1');
    my @parts = map { [grep { !/^HTTP_/ && /\Q$id\E|redis|_n=|^COUNT=/ }
        split /\n/] } split /^==\n/m,
        $httpd->get('/page-parts.shtml', jar => $jar)->{body};
    is_deeply [map { scalar @$_ } @parts], [0, 0, 2, 0],
        'nor do the parts of a page, but one that has access of its own'
        or diag explain \@parts;
    is_deeply [sort map { /^([^=]+)/ } @{ $parts[2] }],
        [qw(SHOP_KEY SHOP_URL)], 'under its own names';
    ok index($httpd->quiet_log, $id) < 0, 'nor the error log';
}

sub read_only_and_late {
    local $jar = jar();
    my $env = vars('/ro/env');
    is $env->{DRSESSION_STATUS}, 'none', 'no session';
    is $env->{DRSESSION_KEY}, undef, 'no key';
    is $jar->id, undef, 'no cookie';
    my %ro = (path => '/ro/sh');
    is run('drsession get a', %ro), 1, 'an empty session';
    is run('drsession count; drsession keys; drsession all', %ro),
        "0 0\n[]\n{}", 'in every respect';
    like run('drsession set a 1', %ro), qr/\A2 drsession: set: readonly: ./,
        'which cannot be written';
    like $httpd->get('/late.shtml', jar => $jar)->{body},
        qr/x\[drsession: incr: readonly: .*headers are out\]\z/,
        'nor one whose cookie comes too late';
    is $jar->id, undef, 'no cookie';
    sh('drsession set a 1');
    is run('drsession get a', %ro), '0 1', 'one that lives is read';
}

sub an_id_of_the_client_with_strict_off {
    my $id = 'chosen-by-the-client';
    local $jar = jar(drsession => $id);
    my $env = vars('/lax/env');
    is $env->{DRSESSION_KEY}, "drsession:$id", 'is the key';
    is $env->{DRSESSION_STATUS}, 'none', 'of no session yet';
    is $jar->id, $id, 'and stays';
    is run('drsession set a 1; drsession get a', path => '/lax/sh'), '0 1',
        'the child makes it';
    is run('drsession get a', path => '/lax/sh'), '0 1', 'and finds it';
    $redis->cmd('DEL', key());
}

sub no_socket_of_redis_in_the_child {
    my ($mpm) = @_;
    local $httpd = start($mpm, kind => 'tcp', servers => 1);
    local $jar = jar();
    sh('drsession set a 1');
    my $said = sh('echo $PPID; ls -l /proc/$$/fd; cat /proc/$$/net/tcp');
    my $port = sprintf '%04X', $redis->port;
    my %to_redis = map { $_ => 1 }
        $said =~ /^ *\d+: \w+:\w+ \w+:$port (?:\w+[: ]+){2}.*?\s(\d+) \d+ \w{8}/mg;
    my %sockets = map { $_ => 1 } $said =~ /-> socket:\[(\d+)\]/g;
    cmp_ok scalar keys %to_redis, '>', 0, 'httpd has a connection';
    is scalar(grep { $to_redis{$_} } keys %sockets), 0, 'the child has none';
    is scalar(keys %sockets), 0, 'nor any other socket' if $mpm eq 'prefork';
    error_log_is_clean($httpd);
    $httpd->stop;
}

sub no_password_in_the_child {
    my ($mpm) = @_;
    my $locked = start_redis(pass => 'hush+hush',
        args => ['--requirepass', 'hush+hush']);
    my $port = $locked->port;
    my $given = "redis://:hush%2Bhush\@127.0.0.1:$port/2";
    local $httpd = start_httpd(mpm => $mpm, cgi => \%cgi, conf => <<"CONF");
DRSessionServer redis://default:hush%2Bhush\@127.0.0.1:$port/2
DRSession On
ScriptAlias /given/ cgi/
DRSessionChildAccess On
<Location /given>
    DRSessionChildAccess $given
</Location>
CONF
    local $jar = jar();
    my $env = vars('/cgi/env');
    is $env->{DRSESSION_URL}, "redis://127.0.0.1:$port/2", 'the bare url';
    is_deeply [grep { $env->{$_} =~ /hush/ } keys %$env], [], 'no password';
    is $env->{DRSESSION_IDLE}, 0, 'no expiry is 0';
    like run('drsession set a 1'), qr/\A3 /, 'the child is refused';
    is vars('/given/env')->{DRSESSION_URL}, $given,
        'what the administrator gives is given';
    is run('drsession set a 1; drsession get a', path => '/given/sh'), '0 1',
        'and it works';
    ok index($httpd->error_log, 'hush') < 0, 'nothing in the log';
    error_log_is_clean($httpd);
    $_->stop for $httpd, $locked;
}

sub redis_away {
    local $jar = jar();
    sh('drsession set a 1');
    $redis->stop;
    my $r = $httpd->get('/cgi/env', jar => $jar);
    is $r->{status}, 503, 'fail is 503';
    ok defined header($r, 'Retry-After'), 'with Retry-After';
    my $env = vars('/pass/env');
    is $env->{DRSESSION_STATUS}, 'unavailable', 'pass says so';
    is $env->{"DRSESSION_$_"}, undef, "no $_" for qw(KEY URL IDLE);
    like run("drsession $_", path => '/pass/sh'),
        qr/\A3 drsession: \w+: down: ./, "drsession $_ is down"
        for 'get a', 'set a 1';
    $jar = jar();
    like run('drsession set a 1'), qr/\A3 /, 'a new visitor too';
    $redis->start;
    ok wait_until(5, sub { run('drsession incr back') =~ /\A0 / }),
        'all is well again';
}

for my $mpm (qw(prefork event)) {
    no strict 'refs';
    local $httpd = start($mpm);
    subtest "$_ under $mpm" => \&{"main::$_"}
        for qw(what_a_child_is_told first_write_by_the_child
        reading_and_writing what_the_manual_says the_last_field_is_the_session
        values_from_standard_input
        expiry_applied_when_the_child_ends module_and_child_in_one_request
        exit_codes_0_1_2 exit_code_3_down exit_code_4_unsure
        exit_code_5_gone a_key_is_made_only_near_its_birth
        exit_code_6_refused examples children_and_the_module_count_together
        nobody_can_plant_a_variable a_key_goes_nowhere_else
        read_only_and_late an_id_of_the_client_with_strict_off redis_away);
    error_log_is_clean($httpd,
        qr/drsession:error\].*(?:DRSession(?:Export|ChildAccess)|are down:) /,
        qr/AH00128|AH01264|AH02811/);
    $httpd->stop;
    subtest "no_socket_of_redis_in_the_child under $mpm" =>
        sub { no_socket_of_redis_in_the_child($mpm) };
    subtest "no_password_in_the_child under $mpm" =>
        sub { no_password_in_the_child($mpm) };
}

subtest 'words_of_the_directive' => sub {
    my $httpd = start_httpd(redis => $redis, start => 0);
    my $try = sub { $httpd->conftest("DRSessionChildAccess $_[0]\n") };
    is +($try->($_))[0], 0, $_
        for qw(On off redis://127.0.0.1/3 unix:///tmp/x?db=2);
    for my $bad ('yes', 'redis://u:hush@h:port', 'http://h') {
        my ($code, $said) = $try->($bad);
        isnt $code, 0, "$bad is refused";
        like $said, qr/DRSessionChildAccess: neither On, Off nor a url: ./,
            'with a reason';
        unlike $said, qr/hush/, 'and no password';
    }
};

done_testing;
