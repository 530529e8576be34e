#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Life times where requests go through several sections, and where ids carry
# no birth time or Redis lacks a command: nothing is left without its expiry,
# nothing ends before its time, nothing is lost.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use JSON::PP ();
use Test::More;

needs('rewrite');
my $command = ($ENV{DRS_BUILD} // "$FindBin::Bin/../build") . '/drsession';
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, cgi => {
        drsession => DRS::Httpd::slurp($command),
        get => "#!/bin/sh\nPATH=\${0%/*}:\$PATH\n"
            . "printf 'Content-Type: text/plain\\r\\n\\r\\n%s' "
            . "\"\$(drsession get a 2>&1)\"\n" },
    docs => { 'oops.txt' => 'our own page', 'req/x.txt' => 'x' },
    conf => <<'CONF');
DRSession On
RewriteEngine On
RewriteCond expr "%{DRSESSION:role} != 'ghost'"
RewriteRule ^/short$ /hour/x [PT]
<Location /life>
    SetHandler drstest
    DRSessionMaxLifetime 2h
</Location>
<Location /hour>
    SetHandler drstest
    DRSessionIdle 1h
</Location>
<Location /poll>
    SetHandler drstest
    DRSessionIdle 1h
    DRSessionTouch Off
</Location>
<Location /loose>
    SetHandler drstest
    DRSessionStrict Off
</Location>
ScriptAlias /quiet/ cgi/
<Location /quiet>
    DRSessionIdle 1h
    DRSessionTouch Off
    DRSessionChildAccess On
</Location>
<Location /raw>
    SetHandler drsession
    DRSessionCodec raw
    DRSessionAllow read *
    DRSessionAllow write note
</Location>
<Location /rawlist>
    SetHandler drsession
    DRSessionCodec raw
    DRSessionAllow read note
</Location>
<Location /rest>
    SetHandler drsession
    DRSessionAllow read *
</Location>
<Location /req>
    Require drsession role
</Location>
ErrorDocument 500 /oops.txt
CONF

my $n = 0;
sub foreign { return sprintf 'ofpython%035d', ++$n }
sub pttl { return $redis->cmd('PTTL', "drsession:$_[0]") }
sub drs { my ($path, $jar, @lines) = @_;
    return $httpd->drs({ path => $path, jar => $jar }, @lines) }

subtest 'a_new_id_has_its_expiry' => sub {
    my $id = foreign();
    $redis->cmd('HSET', "drsession:$id", 'a', 1);
    my $jar = jar(drsession => $id);
    is drs('/life', $jar, 'regenerate'), 'ok', 'an id without birth time';
    isnt $jar->id, $id, 'is another now';
    my $left = pttl($jar->id);
    ok $left > 7_100_000 && $left <= 7_200_000, 'which lives two hours'
        or diag $left;
};

subtest 'every_write_finds_a_key_without_expiry' => sub {
    for my $verb ('del b', 'del none', 'pop b', 'pop none', 'set b 2',
        'incr n 1', 'add a 1') {
        my $id = foreign();
        $redis->cmd('HSET', "drsession:$id", 'a', 1, 'b', 1);
        drs('/life', jar(drsession => $id), $verb);
        cmp_ok pttl($id), '>', 0, $verb;
    }
};

subtest 'and_keeps_the_expiry_that_is_there' => sub {
    for my $verb ('del b', 'pop b', 'set b 2') {
        my $id = foreign();
        $redis->cmd('HSET', "drsession:$id", 'a', 1, 'b', 1);
        $redis->cmd('PEXPIRE', "drsession:$id", 100_000);
        drs('/life', jar(drsession => $id), $verb);
        cmp_ok pttl($id), '<=', 100_000, $verb;
    }
};

subtest 'the_first_read_that_may_refresh_does' => sub {
    for my $path ('/hour/x', '/short') {
        my $jar = jar();
        drs('/hour', $jar, 'set a 1');
        $redis->cmd('PEXPIRE', 'drsession:' . $jar->id, 100_000);
        is drs($path, $jar, 'get a'), 'ok 1', $path;
        cmp_ok pttl($jar->id), '>', 200_000, 'the hour begins again';
    }
};

subtest 'touch_off_holds_for_programs' => sub {
    my $jar = jar();
    drs('/hour', $jar, 'set a 1');
    $redis->cmd('PEXPIRE', 'drsession:' . $jar->id, 100_000);
    is drs('/poll', $jar, 'get a'), 'ok 1', 'a handler reads';
    is $httpd->get('/quiet/get', jar => $jar)->{body}, '1', 'a program reads';
    sleep 1;
    cmp_ok pttl($jar->id), '<=', 100_000, 'neither refreshes';
};

subtest 'strict_off_writes_under_the_id_of_the_client' => sub {
    for my $first (['set_many none'], ['del none'], ['set a 1', 'del a'],
        ['set a 1', 'pop a']) {
        my $id = 'theclientchoseit' . ++$n;
        my $jar = jar(drsession => $id);
        drs('/loose', $jar, @$first, 'set b 1');
        is $redis->cmd('EXISTS', "drsession:$id"), 1, "@$first, set b";
        is $jar->id, $id, 'no other cookie';
    }
};

subtest 'raw_values_of_a_list_are_strings' => sub {
    my $jar = jar();
    for my $value (q{0,"admin":true}, "a\0b", '"') {
        $httpd->request('PUT', '/raw/note', jar => $jar, body => $value);
        my @both = map { $httpd->get("$_/", jar => $jar)->{body} }
            '/raw', '/rawlist';
        is $both[1], $both[0], 'as in the list of all';
        is_deeply [eval { JSON::PP->new->decode($both[1]) }],
            [{ note => $value }], 'and what they are';
    }
};

subtest 'a_foreign_value_is_passed_on_whole' => sub {
    my $jar = jar();
    drs('/hour', $jar, 'set a 1', 'set z 1');
    $redis->cmd('HSET', 'drsession:' . $jar->id, 'nul', qq{"a\0b"});
    my $all = $httpd->get('/rest/', jar => $jar)->{body};
    like $all, qr/"nul":"a\0b"/, 'with its NUL';
    like $all, qr/"$_":1[,}]/, "and $_ beside it" for qw(a z);
};

subtest 'without_multi_nothing_is_lost' => sub {
    my $bare = start_redis(args => ['--rename-command', 'MULTI', '']);
    my $own = start_httpd(redis => $bare, conf => "DRSession On\n");
    my $jar = jar();
    is $own->drs({ jar => $jar }, 'set a 1'), 'ok', 'a session';
    is $own->drs({ jar => $jar }, 'regenerate'), 'ok', 'has another id';
    is $own->drs({ jar => $jar }, 'get a'), 'ok 1', 'and is there';
    my (undef, $said) = $own->drs({ jar => $jar }, 'set b 1', 'pop b');
    is $said, 'unsure', 'is taken or not: nobody says';
    $own->stop;
};

subtest 'an_error_page_needs_no_redis' => sub {
    my $jar = jar();
    drs('/hour', $jar, 'set role 1');
    $redis->stop;
    my $r = $httpd->get('/req/x.txt', jar => $jar);
    is $r->{status}, 500, 'Require has no answer';
    is $r->{body}, 'our own page', 'in the words of the site';
    $redis->start;
};

error_log_is_clean($httpd, qr/sessions are down: /,
    qr/Require drsession has no answer/);
done_testing;
