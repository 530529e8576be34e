#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What others notice of a Redis in trouble: the reader of the error log, and
# visitors of pages that need no session. Also trouble below Redis, in a
# network of its own: a firewall that forgets, a resolver that is silent.
# DRS_MPM is the MPM (event); DRS_LONG=1 takes as long as the claims say.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Crowd;
use DRS::Fault;
use DRS::Resolver;
use Test::More;
use Time::HiRes qw(sleep time);

needs('headers');
my $mpm = $ENV{DRS_MPM} // 'event';
my $long = $ENV{DRS_LONG};
my $slack = $DRS::Fault::SLACK;
my $conf = <<'CONF';
DRSession On
DRSessionIdle 1h
DRSessionExport user
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
CONF
my @docs = (docs => { 'page.txt' => 'page' });

sub fault {
    my ($name, $work) = @_;
    return if $ENV{DRS_OWN_NETWORK};
    subtest $name, $work
        if !defined $ENV{DRS_ROW} || $name =~ /$ENV{DRS_ROW}/;
}

sub has { my ($tool) = @_; return grep { -x "$_/$tool" }
    split(/:/, $ENV{PATH}), '/sbin', '/usr/sbin' }

sub up { my ($httpd, $jar) = @_;
    return $httpd->drs({ jar => $jar }, 'get user') eq 'ok "zoe"' }

fault a_flood_of_failures_is_a_few_lines => sub {
    plan skip_all => 'ab is not here' unless has('ab');
    my $redis = start_redis();
    my $httpd = start_httpd(redis => $redis, mpm => $mpm, conf => $conf, @docs);
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set user "zoe"');
    $redis->stop;
    my $n = $long ? 100_000 : 10_000;
    my $start = time;
    my $failed = 0;
    for my $path ('/session/user', '/page.txt') {
        my $out = DRS::Proc::output('ab', '-q', '-k', '-c', 16, '-n', $n / 2,
            '-H', 'Cookie: ' . $jar->header, $httpd->url($path));
        $failed += ($out =~ /^Non-2xx responses:\s+(\d+)/m)[0] // 0;
    }
    my $took = time - $start;
    cmp_ok $failed, '>=', $n * 0.999, "$failed requests failed";
    my @lines = grep { /\[drsession:/ } split /\n/, $httpd->error_log;
    my %children = map { /\[pid (\d+)/; $1 => 1 } @lines;
    my $children = keys %children;
    diag sprintf '%d lines of %d children about %d failures in %.1f s',
        scalar @lines, $children, $failed, $took;
    cmp_ok scalar(@lines), '<=', $children * (3 + $took / 5 + $took / 60),
        'a child says two things at once, one each five seconds, one a minute';
    cmp_ok scalar(@lines), '<=', 50, 'fifty lines do'
        if $took < 90 && $mpm ne 'prefork';
    is scalar(grep { /are down: cannot connect/ } @lines), $children,
        'each tells once that sessions are down, and why';
    cmp_ok scalar(grep { m{ (?:/session/user|/page\.txt): } } @lines), '>',
        0, 'some requests are named';
    $redis->start;
    $redis->cmd('HSET', 'drsession:' . $jar->id, 'user', '"zoe"');
    my %told;
    ok wait_until(20, sub {
        parallel(12, sub { $httpd->drs({ jar => $jar }, 'get user') });
        %told = map { /\[pid (\d+).* again after [\d.]+ s, (\d+) calls failed/
            ? ($1 => $2) : () } split /\n/, $httpd->error_log;
        return keys %told == $children;
    }), 'each tells that they are up again' unless $mpm eq 'prefork';
    my $sum = 0;
    $sum += $_ for values %told;
    cmp_ok $sum, '>=', $failed, 'and how many calls failed: none is forgotten'
        unless $mpm eq 'prefork';
    unlike $httpd->error_log, qr/@{[$jar->id]}|zoe/, 'no line names anybody';
    error_log_is_clean($httpd, qr/\[drsession:error\]/);
    $_->stop for $httpd, $redis;
};

fault what_redis_says_does_not_reach_a_terminal => sub {
    my $redis = start_redis();
    my $liar = DRS::Liar->new(port => $redis->port);
    my $httpd = start_httpd(mpm => $mpm, @docs, servers => 1,
        conf => $conf . 'DRSessionServer ' . $liar->url . "\n");
    $liar->mode('say', "-LOADING \e[31m\a\x7f\b red\t\xff alert\r\n");
    my $jar = jar(drsession => 'x' x 44);
    is $httpd->drs({ jar => $jar }, 'get a'), 'http:503', 'refused';
    $httpd->get('/session/a', jar => $jar);
    my ($line) = grep { /LOADING/ } split /\n/, $httpd->error_log;
    like $line, qr/ refused: LOADING \?\[31m.* red/, 'the reason is logged';
    unlike $line, qr/[\x00-\x1f\x7f]/, 'without control characters';
    error_log_is_clean($httpd, qr/LOADING/);
    $liar->stop;
    $_->stop for $httpd, $redis;
};

# 200 clients at work on their sessions, and forty that ask for a page or
# have no session, ten times a second and more. What the forty wait for.
sub watch_pages {
    my ($httpd, $redis, $jar, $seconds, $hang) = @_;
    my $text = sub { DRS::Http::make_request('GET', $_[0], $httpd->port,
        { jar => $_[1] }) };
    my ($crowd, $pages) = parallel(3, sub {
        my ($k) = @_;
        return DRS::Crowd::run(port => $httpd->port, clients => 200,
            seconds => $seconds, every => 0.4,
            requests => [$text->('/session/user', $jar)]) if $k == 0;
        sleep 1;
        $redis->hang if $hang && $k == 2;
        return if $k == 2;
        return DRS::Crowd::run(port => $httpd->port, clients => 40,
            seconds => $seconds - 1.5, every => 0.4, probe => 1,
            requests => [$text->('/page.txt'), $text->('/session/user')]);
    }, $seconds + 60);
    $redis->resume;
    return ($crowd, $pages);
}

# The p99 of pages, ms: while Redis hangs, from some time on, against the
# worse one of before and after. One try may meet a busy machine; a defect is
# met by each.
sub compare {
    my ($httpd, $redis, $from) = @_;
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set user "zoe"');
    my ($ratio, $worst);
    for my $try (1 .. 3) {
        my (undef, $before) = watch_pages($httpd, $redis, $jar, 4, 0);
        my ($hung, $pages) = watch_pages($httpd, $redis, $jar,
            $long ? 61 : $from ? 8 : 11, 1);
        wait_until(5, sub { up($httpd, $jar) }) or fail 'not up again';
        my (undef, $after) = watch_pages($httpd, $redis, $jar, 4, 0);
        $worst = DRS::Crowd::percentile($pages->{times}, 100);
        my @settled = map { $pages->{times}[$_] }
            grep { $pages->{at}[$_] >= $from } 0 .. $#{ $pages->{times} };
        my @p99 = map { 1000 * DRS::Crowd::percentile($_, 99) }
            $before->{times}, $after->{times}, \@settled;
        my $normal = $p99[0] > $p99[1] ? $p99[0] : $p99[1];
        $ratio = $p99[2] / $normal;
        diag sprintf 'try %d: p99 of pages before %.1f ms, after %.1f ms, '
            . 'while Redis hangs %.1f ms (%.2f times), at most %.0f ms; '
            . 'session requests: %d answered, %d told that it is down', $try,
            @p99, $ratio, 1000 * $worst, $hung->{200} // 0, $hung->{503} // 0;
        is $_->{unanswered}, 0, 'every page is answered'
            for $before, $pages, $after;
        cmp_ok $hung->{503}, '>', 200, 'the others learn that Redis is down';
        last if $ratio <= 2;
    }
    return ($ratio, $worst);
}

fault pages_do_not_wait_for_redis => sub {
    plan skip_all => 'prefork has no worker for each of 200 clients'
        if $mpm eq 'prefork';
    my $redis = start_redis();
    my $httpd = start_httpd(redis => $redis, mpm => $mpm, servers => 4,
        threads => 64, conf => $conf =~ s/^DRSessionExport.*\n//mr, @docs);
    my ($ratio) = compare($httpd, $redis, 0);
    cmp_ok $ratio, '<=', 2, 'their p99 is within twice the normal';
    error_log_is_clean($httpd, qr/\[drsession:error\]/);
    $_->stop for $httpd, $redis;
};

fault pages_wait_once_where_workers_are_few => sub {
    plan skip_all => 'only event keeps 240 connections with 64 workers'
        if $mpm ne 'event';
    my $redis = start_redis();
    my $httpd = start_httpd(redis => $redis, mpm => $mpm, servers => 2,
        threads => 32, @docs, conf => "AsyncRequestWorkerFactor 20\n"
        . $conf =~ s/^DRSessionExport.*\n//mr);
    my ($ratio, $worst) = compare($httpd, $redis, 1.5);
    cmp_ok $ratio, '<=', 2, 'after that their p99 is within twice the normal';
    cmp_ok $worst, '<', 0.5 + 0.2 + 2 * $slack,
        'none waits longer than all workers do';
    error_log_is_clean($httpd, qr/\[drsession:error\]/);
    $_->stop for $httpd, $redis;
};

# The rest needs a network and a resolver that are this file's alone.
if (!$ENV{DRS_OWN_NETWORK}) {
    fault below_redis => sub {
        plan skip_all => "no $_" for grep { !has($_) } qw(unshare nft ip mount);
        plan skip_all => 'no network of its own (that needs root)'
            if system('unshare', '-n', '-m', 'true') != 0;
        local $ENV{DRS_OWN_NETWORK} = 1;
        local $ENV{DRS_ROW};
        my $log = DRS::Proc::output('unshare', '-n', '-m', $^X,
            "-I$FindBin::Bin/lib", $0);
        my @said = $log =~ /^((?:not )?ok \d+ - \w+.*)$/mg;
        is scalar(@said), 2, 'it was tried';
        is $?, 0, 'all is well' or diag $log;
        ok !/^not/, s/^(?:not )?ok \d+ - //r for @said;
    };
    done_testing;
    exit;
}

system('ip', 'link', 'set', 'lo', 'up') == 0 or die 'no loopback';
my $redis = start_redis();

subtest a_firewall_forgets_connections => sub {
    my $httpd = start_httpd(redis => $redis, kind => 'tcp', servers => 1,
        conf => $conf, @docs);
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set user "zoe"');
    my @ports;
    for (1 .. 10) {
        $redis->cmd('CLIENT', 'PAUSE', 200, 'ALL');
        parallel(8, sub { $httpd->drs({ jar => $jar }, 'get user') });
        my $clients = $redis->cmd('CLIENT', 'LIST', 'TYPE', 'normal');
        @ports = $clients =~ / addr=127\.0\.0\.1:(\d+) /g;
        last if @ports >= 4;
    }
    cmp_ok scalar(@ports), '>=', 3, 'connections lie idle';
    system("nft add table inet drs && nft add chain inet drs in "
        . "'{ type filter hook input priority 0; }'") == 0 or die 'nft';
    my $list = '{ ' . join(', ', @ports) . ' }';
    system("nft add rule inet drs in tcp sport '$list' drop && "
        . "nft add rule inet drs in tcp dport '$list' drop") == 0 or die 'nft';
    my ($took, $said) = timed(sub {
        $httpd->drs({ jar => $jar, path => '/drs' }, 'set w 1') });
    is $said, 'http:503', 'one request';
    cmp_ok $took, '<', 0.5 + $slack, 'waits for its time';
    my @bad = grep { !up($httpd, $jar) } 1 .. 10;
    is scalar(@bad), 0, 'and no other does';
    like $httpd->error_log, qr/are down: .*did not answer in time/, 'logged';
    system('nft', 'delete', 'table', 'inet', 'drs');
    error_log_is_clean($httpd, qr/\[drsession:error\]/);
    $httpd->stop;
};

subtest a_resolver_is_silent => sub {
    my $names = DRS::Resolver->new;
    $names->be('silent');
    my $httpd = start_httpd(servers => 1, @docs, conf => $conf
        . 'DRSessionServer redis://redis.test:' . $redis->port . "\n");
    my $jar = jar(drsession => 'x' x 44);
    my ($took, $r) = timed(sub { $httpd->get('/session/user', jar => $jar) });
    is $r->{status}, 503, 'no address, no session';
    cmp_ok $took, '<', 0.5 + $slack, 'in time';
    is $httpd->get('/page.txt')->{body}, 'page', 'pages are fine';
    like $httpd->error_log, qr/are down: cannot connect to \S+redis\.test\S*: /,
        'the log knows the name';
    $names->be('there');
    my $own = jar();
    ok in_time(5 + $slack, sub {
        $httpd->drs({ jar => $own }, 'set user "zoe"') eq 'ok'
    }), 'it speaks: it works, httpd untouched';
    $names->be('silent');
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    my @bad = grep { !up($httpd, $own) } 1 .. 10;
    is scalar(@bad), 0, 'silent again: the last address is good enough';
    $httpd->graceful;
    $names->be('slow');
    ok in_time(5 + $slack, sub { up($httpd, $own) }),
        'a slow one is waited for';
    error_log_is_clean($httpd, qr/\[drsession:error\]/);
    $httpd->stop;
};
done_testing;
