#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The wire format is shared: a Python program that follows it and the module
# read and write the same sessions.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use JSON::PP;
use Test::More;

needs();
my $version = qx(python3 --version 2>&1) // '';
plan skip_all => 'no python3' unless $version =~ /^Python 3/;

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF');
DRSession On
DRSessionIdle 1h
CONF

sub wire {
    open my $pipe, '-|', 'python3', "$FindBin::Bin/lib/wire.py",
        $redis->port, @_ or die "python3: $!";
    local $/;
    my $out = readline($pipe) // '';
    close $pipe or die "wire.py failed\n";
    $out =~ s/\n\z//;
    return $out;
}

subtest 'the_module_reads_what_python_wrote' => sub {
    my $id = wire('write');
    like $id, qr/\A[A-Za-z0-9_-]{43}\z/, 'an id of 43 characters';
    my $jar = jar(drsession => $id);
    my $run = sub { scalar $httpd->drs({ jar => $jar }, @_) };
    is $run->('id'), "ok $id", 'is accepted';
    is $run->('get_string user'),
        "ok J\xC3\xA4rv \xE2\x82\xAC \xF0\x9F\x98\x80", 'text';
    is $run->('get_int n'), 'ok 41', 'an integer';
    is $run->('get big'), 'ok 1' . '0' x 30, 'a big one';
    is $run->('get pi'), 'ok 3.5', 'a number';
    is $run->('get yes'), 'ok true', 'true';
    is $run->('get none'), 'ok null', 'None';
    is $run->('get list'), 'ok [1, "two", [3]]', 'a list';
    is $run->('get deep'), 'ok {"a": {"b": [{}]}}', 'a dict';
    is $run->('get a%20b'), 'ok "blank"', 'a name with a blank';
    is $run->('get nan'), 'ok NaN', 'what is no JSON, as it is';
    is $run->('get_int nan'), 'value', 'but decoded it is not';
    is $run->('incr n 1'), 'ok 42', 'counts on';
    is wire('incr', $id, 'n', 1), '43', 'and Python does';
    is $jar->id, $id, 'the id stays';
};

subtest 'python_reads_what_the_module_wrote' => sub {
    my $jar = jar();
    my $run = sub { scalar $httpd->drs({ jar => $jar }, @_) };
    $run->('set_string user ' . pct("\xC3\xA4\"\\\n"),
        'set list [1,  {"x":null}]', 'set_int n -7', 'set t true',
        'set big 1' . '0' x 40, 'set z "\u0000\ud83d\ude00"');
    my $read = JSON::PP->new->allow_bignum->decode(wire('read', $jar->id));
    is $read->{user}, "\x{e4}\"\\\n", 'text';
    is_deeply $read->{list}, [1, { x => undef }], 'a list';
    is $read->{n}, -7, 'an integer';
    ok $read->{t}, 'true';
    is "$read->{big}", '1' . '0' x 40, 'a big one';
    is $read->{z}, "\0\x{1f600}", 'escapes';
    wire('set', $jar->id, 'from', '{"python": [1, 2]}');
    is $run->('get from'), 'ok {"python": [1, 2]}', 'what it adds is seen';
    cmp_ok $redis->cmd('PTTL', 'drsession:' . $jar->id), '>', 3_500_000,
        'and the key still expires';
};

error_log_is_clean($httpd);
done_testing;
