#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The promises: strict ids, no lost write, nothing for who does not use a
# session, exports that cannot be spoofed, a Redis that is away.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Rig;
use Test::More;
use Time::HiRes qw(time sleep);

my $rig = Rig->new->start_httpd(<<'CONF');
DRSession On
DRSessionIdle 1h
SetEnvIf Spoof "(.+)" DRSESSION_user=$1 drsession_STATUS=$1
<Location "/session">
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location "/some">
    SetHandler drsession
    DRSessionAllow read seen
</Location>
<Location "/cgi">
    DRSessionExport user cart=SHOP_CART list bad
</Location>
CONF
$rig->add_file('docs/page.txt', 'static');
$rig->add_file('cgi/env', "#!/bin/sh\necho 'Content-Type: text/plain'\n"
    . "echo\nenv | grep -E '^(DRSESSION|drsession|SHOP)' | sort\n");

subtest 'a foreign id never becomes a key' => sub {
    my %new;
    for my $n (1 .. 500) {
        my $id = sprintf '%0*d', 43 + $n % 2, $n;
        my $jar = $id;
        $rig->request('PUT', '/session/x', body => '1', jar => \$jar);
        $new{$jar}++ if $jar ne $id;
    }
    is scalar(keys %new), 500, 'each write made an id of its own';
    is scalar(grep { /^drsession:0000/ } @{ $rig->redis('KEYS', '*') }), 0,
        'no key has an id that a client chose';
    $rig->redis('FLUSHALL');
};

subtest 'a request that does not use its session costs nothing' => sub {
    my $before = $rig->info('total_commands_processed');
    for (1 .. 200) {
        my $r = $rig->request('GET', '/page.txt',
            headers => { Cookie => 'drsession=' . 'x' x 44 });
        ok !exists $r->{headers}{vary}, 'no Vary' if $_ == 1;
    }
    $rig->request('GET', '/session/') for 1 .. 2000;
    is $rig->redis('DBSIZE'), 0, 'no key was made';
    cmp_ok $rig->info('total_commands_processed') - $before, '<', 5,
        'Redis was not asked';
};

subtest 'concurrent writers lose nothing' => sub {
    my $jar;
    $rig->request('PUT', '/session/n', body => '0', jar => \$jar);
    my @done = Rig::parallel(8, sub {
        my ($k) = @_;
        my $own = $jar;
        for my $n (1 .. 125) {
            $rig->request('POST', '/session/n?incr=1', jar => \$own);
            $rig->request('PUT', "/session/f$k", body => $n, jar => \$own);
        }
        return 'done';
    });
    is scalar(grep { $_ eq 'done' } @done), 8, 'all clients ran';
    is $rig->request('GET', '/session/n', jar => \$jar)->{content}, 1000,
        '1000 increments are 1000';
    for my $k (0 .. 7) {
        is $rig->request('GET', "/session/f$k", jar => \$jar)->{content}, 125,
            "field f$k has its last value";
    }
};

subtest 'a write never revives a session' => sub {
    my $undead = 0;
    for my $round (1 .. 100) {
        my $jar;
        $rig->request('PUT', '/session/a', body => '1', jar => \$jar);
        my $id = $jar;
        Rig::parallel(2, sub {
            my ($k) = @_;
            my $own = $id;
            $k ? $rig->request('DELETE', '/session/', jar => \$own)
               : $rig->request('PUT', '/session/b', body => '2', jar => \$own);
            return 'x';
        });
        $undead++ if $rig->redis('EXISTS', "drsession:$id");
    }
    is $undead, 0, 'after 100 races no ended session is there';
};

subtest 'exports' => sub {
    my $jar;
    my $get = sub {
        $rig->request('GET', '/cgi/env', jar => \$jar,
            headers => { Spoof => 'evil', 'DRSESSION-user' => 'evil' })
            ->{content};
    };
    is $get->(), "DRSESSION_STATUS=none\n", 'without a session';
    $rig->request('PATCH', '/session/', jar => \$jar, body =>
        '{"user":"ann","cart":{"n":1},"list":[1],"bad":"a\nb"}');
    is $get->(), "DRSESSION_STATUS=live\nDRSESSION_list=[1]\n"
        . "DRSESSION_user=ann\nSHOP_CART={\"n\":1}\n", 'with one';
    $jar = 'y' x 44;
    is $get->(), "DRSESSION_STATUS=none\n", 'with an id that Redis lacks';
};

subtest 'permissions and origins' => sub {
    my $jar;
    $rig->request('PATCH', '/session/', body => '{"seen":1,"hid":2}',
        jar => \$jar);
    is $rig->request('GET', '/some/', jar => \$jar)->{content}, '{"seen":1}',
        'only readable fields are shown';
    for (['GET', '/some/hid'], ['PUT', '/some/seen'], ['DELETE', '/some/'],
         ['POST', '/some/?regenerate'], ['POST', '/some/seen?pop']) {
        my $r = $rig->request(@$_, jar => \$jar, body => '1');
        is $r->{status}, 403, "@$_ is forbidden";
        like $r->{content}, qr/"forbidden".*DRSessionAllow/, 'by name';
    }
    for (['cross-site', undef, 403], ['same-origin', undef, 204],
         [undef, 'http://evil.example', 403], [undef, 'null', 403],
         [undef, "http://127.0.0.1:$rig->{port}", 204]) {
        my ($site, $origin, $status) = @$_;
        my %headers;
        $headers{'Sec-Fetch-Site'} = $site if defined $site;
        $headers{Origin} = $origin if defined $origin;
        is $rig->request('PUT', '/session/seen', jar => \$jar, body => '1',
            headers => \%headers)->{status}, $status,
            ($site // $origin) . " is $status";
    }
};

subtest 'Redis away' => sub {
    my $jar;
    $rig->request('PUT', '/session/n', body => '1', jar => \$jar);
    kill 'STOP', $rig->{redis_pid};
    my $start = time;
    my $r = $rig->request('POST', '/session/n?incr=1', jar => \$jar);
    my $took = time - $start;
    is $r->{status}, 503, 'a write to a stopped Redis';
    like $r->{content}, qr/"unsure"/, 'may have been executed';
    ok !exists $r->{headers}{'retry-after'}, 'so nobody is told to repeat it';
    cmp_ok $took, '<', 1.0, 'within the deadline';
    $r = $rig->request('GET', '/session/n', jar => \$jar);
    like $r->{content}, qr/"down"/, 'a read has no answer';
    is $r->{headers}{'retry-after'}, 1, 'and may be repeated';
    is $rig->request('GET', '/page.txt')->{content}, 'static',
        'a page without session does not notice';
    kill 'CONT', $rig->{redis_pid};
    sleep 2.1;
    is $rig->request('GET', '/session/n', jar => \$jar)->{content}, 2,
        'it works again, and the unsure write was executed once';
    $rig->stop_redis;
    is $rig->request('PUT', '/session/n', body => '1', jar => \$jar)
        ->{status}, 503, 'a write to no Redis';
    is $rig->request('GET', '/cgi/env', jar => \$jar)->{status}, 503,
        'an export without answer';
    $rig->start_redis;
    sleep 2.1;
    is $rig->request('PUT', '/session/n', body => '1', jar => \$jar)
        ->{status}, 201, 'Redis is back, without touching httpd';
};

is_deeply [$rig->unexpected(qr/drsession:error.*(?:time|connect|failed)/)],
    [], 'the error log holds only what was provoked';
done_testing;
