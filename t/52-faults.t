#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Trouble that takes more than a row: answers that lie, connections that are
# dead without a word, children and clients that go, restarts under load.
# DRS_MPM is the MPM (event); DRS_LONG=1 does all of it more often.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Fault;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

needs('headers');
my $mpm = $ENV{DRS_MPM} // 'event';
my $long = $ENV{DRS_LONG};
my $slack = $DRS::Fault::SLACK;
# With appendfsync everysec Redis puts a write off while a slow disk syncs,
# and answers nevertheless: it would lose what it acknowledged.
my $site = DRS::Fault->new(mpm => $mpm, redis => { appendonly => 1,
    args => ['--appendfsync', 'always'] });
my ($redis, $liar, $httpd) = ($site->redis, $site->liar, $site->httpd);
my $id = $site->{jar}->id;

sub wanted { !defined $ENV{DRS_ROW} || $_[0] =~ /$ENV{DRS_ROW}/ }
sub fault { my ($name, $work) = @_; subtest $name, $work if wanted($name) }

# The children that hold a module of ours: not the one that starts CGIs.
sub workers {
    my ($of) = @_;
    return $of->children if $of->{mpm} eq 'prefork';
    return grep { my $n = () = glob "/proc/$_/task/*"; $n > 3 } $of->children;
}

sub well {
    my ($seconds) = @_;
    return in_time($seconds, sub {
        join(' ', map { s/ .*//sr } $site->call('get user', 'incr n 1'))
            eq 'ok ok' });
}

fault no_connection_before_the_first_request => sub {
    my $own = start_redis();
    my $seen = sub { $own->stat('total_connections_received') };
    my $before = $seen->();
    my $fresh = start_httpd(redis => $own, mpm => $mpm,
        conf => "DRSession On\n", docs => { 'page.txt' => 'x' });
    $fresh->get('/page.txt');
    is $seen->(), $before, 'none at the start';
    ok $fresh->graceful, 'a graceful restart';
    $fresh->get('/page.txt');
    is $fresh->drs('get a'), 'notfound', 'who has no session needs none';
    is(($fresh->conftest("DRSession On\n"))[0], 0, 'httpd -t');
    is $seen->(), $before, 'none after these';
    is $fresh->drs({ jar => jar() }, 'set a 1'), 'ok', 'a session';
    is $seen->(), $before + 1, 'has one';
    error_log_is_clean($fresh);
    $_->stop for $fresh, $own;
};

sub rss { my ($kb) = DRS::Httpd::slurp("/proc/$_[0]/status")
    =~ /^VmRSS:\s+(\d+)/m; return $kb // 0 }

fault answers_that_lie => sub {
    my @lies = (
        ['a huge text', say => '$2147483647' . "\r\n"],
        ['a text longer than long', say => '$99999999999999999999' . "\r\n"],
        ['a text without end', flood => '$2147483647' . "\r\n"],
        ['a huge array', say => "*2147483647\r\n"],
        ['a deep array', say => "*1\r\n" x 20_000],
        ['a negative array', say => "*-7\r\n"],
        ['a negative text', say => '$-7' . "\r\n"],
        ['a push of RESP3', say => ">2\r\n+message\r\n+x\r\n"],
        ['a map of RESP3', say => "%1\r\n+a\r\n+b\r\n"],
        ['no end of line', say => '+OK'],
        ['a number beyond 64 bits', say => ":99999999999999999999\r\n"],
        ['a web page', say_end => "HTTP/1.1 400 Bad Request\r\n\r\n"],
        ['zeros', say => "\0" x 64],
        ['a text with a wrong end', say => '$2' . "\r\nabcd"],
        ['an array of a wrong kind', say => "*2\r\n+a\r\n*1\r\n:1\r\n"],
        ['nothing but the end', say_end => ''],
        ['an empty error', say => "-\r\n"],
        ['a word nobody knows', say => "-WHATEVER it is\r\n"],
    );
    local $site->{host} = 'lied';
    well(5) or fail 'not well';
    my %may = ('get user' => qr/^(?:down|reply)$/,
        'set w 1' => qr/^(?:down|unsure|reply)$/,
        'incr n 1' => qr/^(?:down|unsure|reply)$/);
    my ($child) = workers($httpd);
    my $before = rss($child);
    for my $lie (@lies) {
        my ($name, $mode, $bytes) = @$lie;
        for my $line (sort keys %may) {
            well(5) or fail 'not well';
            $liar->mode($mode, $bytes);
            my ($took, $said, $why) = timed(sub {
                $site->call($line, 'error') });
            like $said =~ s/ .*//sr, $may{$line}, "$name: $line";
            cmp_ok $took, '<', 0.3 + $slack, 'in time';
            unlike $why, qr/$id|zoe|abcd/, 'without repeating it';
            $liar->mode('pass');
        }
    }
    ok well(3 + $slack), 'it recovers';
    cmp_ok rss($child) - $before, '<', 4096, 'and needs no memory for it';
};

fault half_open_connections_cost_one_call => sub {
    local $site->{host} = 'lied';
    $site->renew;
    # A call that is late on a busy machine takes the idle ones with it.
    for (1 .. 10) {
        $liar->mode('delay', 60);
        parallel(8, sub { $site->call('get user') });
        last if $liar->mode('pass') >= 4;
    }
    $site->call('get user');
    cmp_ok $liar->mode('deaf'), '>=', 3, 'some connections lie idle';
    my ($first, $why) = $site->call('get user', 'error');
    is $first, 'down', 'they go dead without a word: the first call';
    like $why, qr/did not answer in time/, 'waits in vain';
    my @bad = grep { $_ ne 'ok "zoe"' } map { $site->call('get user') } 1 .. 9;
    is "@bad", '', 'and no other does';
};

# Only its own user may limit a process where root has no right to.
sub limit {
    my ($pid, $files) = @_;
    my ($uid, $gid) = @{ { map { /^([UG])id:\s+(\d+)/ ? ($1 => $2) : () }
        split /\n/, DRS::Httpd::slurp("/proc/$pid/status") } }{qw(U G)};
    my $child = fork // die "fork: $!";
    if ($child == 0) {
        ($(, $)) = ($gid, "$gid $gid");
        ($<, $>) = ($uid, $uid);
        exec 'prlimit', '--pid', $pid, "--nofile=$files:" or POSIX::_exit(127);
    }
    waitpid $child, 0;
    return $?;
}

fault descriptors_run_out => sub {
    plan skip_all => 'prlimit is not here'
        unless grep { -x "$_/prlimit" } split /:/, $ENV{PATH};
    plan skip_all => 'which child serves is not known under prefork'
        if $mpm eq 'prefork';
    $site->renew;
    my ($child) = workers($httpd);
    is scalar(workers($httpd)), 1, 'one child serves';
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    my ($soft) = DRS::Httpd::slurp("/proc/$child/limits")
        =~ /^Max open files\s+(\d+)/m;
    is limit($child, 3), 0, 'prlimit';
    my ($said, $why) = $site->call('get user', 'error');
    is $said, 'down', 'without a descriptor';
    like $why, qr/cannot connect to .*: Too many open files/, 'says so';
    is $site->call('set w 1'), 'down', 'a write was not sent';
    is limit($child, $soft), 0, 'with descriptors';
    ok well(2 + $slack), 'it recovers';
    is_deeply [workers($httpd)], [$child], 'in the same child';
};

fault the_pool_is_exhausted => sub {
    my $tight = start_httpd(redis => $redis, kind => 'tcp', mpm => $mpm,
        servers => 1, conf => "DRSession On\nDRSessionPool max=1 wait=100ms\n"
        . "DRSessionTimeout command=10s request=20s\n");
    plan skip_all => 'a child under prefork is one client' if $mpm eq 'prefork';
    my $jar = jar();
    $tight->drs({ jar => $jar }, 'set a 1');
    $redis->hang;
    my @said = parallel(7, sub {
        my ($k) = @_;
        my $told = $tight->dir . '/told';
        if ($k == 6) {
            wait_until(8, sub { 5 == grep { -e "$told.$_" } 0 .. 5 });
            $redis->resume;
            return ['resumed'];
        }
        my $own = $jar->copy;
        my ($took, @answer) = timed(sub {
            $tight->drs({ jar => $own }, 'get a', 'error') });
        $tight->add("told.$k", '');
        return [@answer, $took];
    });
    my @down = grep { $_->[0] eq 'down' } @said;
    is scalar(@down), 5, 'one has the connection, five are told';
    like $down[0][1], qr/all 1 connections are in use/, 'why';
    my ($last) = sort { $b <=> $a } map { $_->[2] } @down;
    cmp_ok $last, '<', 0.1 + $slack, 'after their wait';
    my @lines = $tight->error_log =~ /sessions are down: /g;
    is scalar(@lines), 1, 'one line says so';
    error_log_is_clean($tight, qr/sessions are down.*connections are in use/);
    $tight->stop;
};

fault a_password_changes_meanwhile => sub {
    my $user = sub { $redis->cmd('ACL', 'SETUSER', 'site', 'reset', 'on',
        '~*', '&*', '+@all', ">$_[0]");
        eval { $redis->cmd('CLIENT', 'KILL', 'USER', 'site') } };
    $user->('first-secret');
    my $own = start_httpd(mpm => $mpm, start => 0, servers => 1);
    $own->add('secret', "first-secret\n");
    chmod 0600, $own->dir . '/secret';
    $own->{conf} = "DRSession On\nDRSessionServer " . $redis->url('tcp')
        . "\nDRSessionCredentials site file:" . $own->dir . "/secret\n";
    $own->start;
    my $jar = jar();
    is $own->drs({ jar => $jar }, 'set a 1'), 'ok', 'the right one';
    $user->('second-secret');
    my ($said, $why);
    for (1 .. 8) { ($said, $why) = $own->drs({ jar => $jar }, 'get a',
        'error'); last if $why =~ /WRONGPASS/ }
    is $said, 'down', 'another one';
    like $why, qr/refused: WRONGPASS/, 'is refused';
    $user->('first-secret');
    ok in_time(2 + $slack, sub { $own->drs({ jar => $jar }, 'get a')
        eq 'ok 1' }), 'the old one again: it works';
    like $own->error_log, qr/sessions are down: .*WRONGPASS/, 'the log knows';
    unlike $own->error_log, qr/(?:first|second)-secret/, 'and tells no secret';
    error_log_is_clean($own, qr/sessions are down/);
    $own->stop;
    $redis->cmd('ACL', 'DELUSER', 'site');
};

fault a_child_crashes_inside_a_command => sub {
    for my $turn (1 .. ($long ? 100 : 3)) {
        my $end = '';
        # The command lasts a quarter of a second: a kill may come late.
        for my $try (1 .. 5) {
            wait_until(10, sub { eval { well(1) } }) or fail 'not well';
            my @workers = workers($httpd);
            my $over = $httpd->dir . "/over-$turn-$try";
            $redis->hang;
            ($end) = parallel(2, sub {
                my ($k) = @_;
                if ($k) {
                    sleep 0.05;
                    kill 'SEGV', @workers;
                    # With prefork one that comes later may take the request.
                    wait_until(10, sub {
                        kill 'SEGV', workers($httpd) if $mpm eq 'prefork';
                        return -e $over || $mpm ne 'prefork';
                    });
                    return 'killed';
                }
                my $client = DRS::Http->new(port => $httpd->port, keep => 0);
                my $said = eval { $client->request('POST', '/session/n?incr=1',
                    jar => $site->{jar}->copy)->{status} } // $@;
                open my $mark, '>', $over or die "$over: $!";
                return $said;
            });
            $redis->resume;
            last if $end ne '503';
        }
        like $end, qr/^closed/, "$turn: the client sees it";
        # One that was forked amid this dies late: it may take a request along.
        ok wait_until(5 + $slack, sub { eval { well(1) } }),
            'another child goes on';
    }
    # Redis may have run what it found waiting; nothing was sent again.
    my $before = $redis->cmd('HGET', $site->key, 'n');
    is $site->call('incr n 1'), 'ok ' . ($before + 1), 'the counter counts';
};

fault the_clock_jumps => sub {
    my ($lib) = glob '/usr/lib/*/faketime/libfaketimeMT.so.1';
    plan skip_all => 'libfaketime is not here' unless $lib;
    plan skip_all => 'one library is preloaded already' if $ENV{DRS_PRELOAD};
    my $own = start_httpd(redis => $redis, mpm => $mpm, servers => 1,
        start => 0, conf => "DRSession On\nDRSessionIdle 1h\n"
        . "DRSessionMaxLifetime 12h\n");
    $own->add('clock', "+0\n");
    {
        local %ENV = (%ENV, LD_PRELOAD => $lib, FAKETIME_NO_CACHE => 1,
            FAKETIME_TIMESTAMP_FILE => $own->dir . '/clock',
            FAKETIME_DONT_FAKE_MONOTONIC => 1, DONT_FAKE_MONOTONIC => 1);
        $own->start;
    }
    my $jar = jar();
    is $own->drs({ jar => $jar }, 'set a 1'), 'ok', 'a session';
    for my $jump ('+1h', '-1h', '+0') {
        $own->add('clock', "$jump\n");
        my $date = header($own->get('/'), 'Date');
        my @bad = grep { !/^ok/ } map {
            $own->drs({ jar => $jar }, 'get a', 'incr n 1') } 1 .. 20;
        is "@bad", '', "$jump ($date): nothing fails";
        my $new = jar();
        is $own->drs({ jar => $new }, 'set a 1'), 'ok', 'a new one is born';
        is $own->drs({ jar => $new }, 'get a'), 'ok 1', 'and found again';
        my $left = $redis->cmd('PTTL', 'drsession:' . $jar->id) / 1000;
        cmp_ok abs($left - 3600), '<', 60, 'the expiry is an hour from now';
    }
    $redis->hang;
    $own->add('clock', "+1h\n");
    my ($took, $said) = timed(sub { $own->drs({ jar => $jar }, 'get a') });
    is $said, 'down', 'Redis hangs at a jump';
    cmp_ok $took, '<', 0.5 + $slack, 'nobody waits an hour';
    $own->add('clock', "-1h\n");
    $own->drs({ jar => $jar }, 'get a') for 1 .. 3;
    $redis->resume;
    ok in_time(2 + $slack, sub { $own->drs({ jar => $jar }, 'get a')
        eq 'ok 1' }), 'and the pause of the breaker ends';
    error_log_is_clean($own, qr/sessions are down/);
    $own->stop;
};

fault clients_go_away => sub {
    $site->renew;
    my $n = $long ? 1000 : 200;
    my $before = $redis->cmd('HGET', $site->key, 'n');
    for my $turn (1 .. $n) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $httpd->port) // die "connect: $!";
        print {$socket} DRS::Http::make_request('POST', '/session/n?incr=1',
            $httpd->port, { jar => $site->{jar} });
        # Some wait for the first byte, some for nothing.
        $turn % 2 ? close $socket : sysread $socket, my $byte, 1;
    }
    ok wait_until(10, sub {
        $redis->cmd('HGET', $site->key, 'n') == $before + $n
    }), "$n went, each counted once";
    my @bad = grep { !/^ok/ } map { $site->call('get user', 'set w 1') } 1 .. 9;
    is "@bad", '', 'who stays is served';
    cmp_ok $redis->stat('connected_clients'), '<=',
        1 + ($mpm eq 'prefork' ? 64 : 16), 'no connection is left over';
};

# Four clients read and count while something goes on; what each was told.
sub traffic {
    my ($work, $request) = @_;
    my $dir = $redis->dir;
    unlink "$dir/over", glob "$dir/done.*";
    my @told = parallel(5, sub {
        my ($k) = @_;
        if ($k == 4) {
            eval { $work->() };
            my $why = $@;
            open my $over, '>', "$dir/over";
            return $why;
        }
        my %told = (bad => []);
        open my $done, '>', "$dir/done.$k" or die "done: $!";
        my $own = { %$site, jar => $site->{jar}->copy };
        while (!-e "$dir/over") {
            my ($read, $add) = eval { $request->(bless $own, ref $site) };
            syswrite $done, '.';
            $told{lost}++, push(@{ $told{bad} }, $@), next if $@;
            $told{"read $_"}++ for $read =~ s/ .*//sr;
            $told{"add $_"}++ for $add =~ s/ .*//sr;
        }
        return \%told;
    }, 300);
    # Ours was killed or restarted like the others.
    $redis->disconnect;
    my $why = pop @told;
    is $why, '', 'the trouble was made' if $why;
    my %sum = (bad => [map { @{ $_->{bad} } } @told]);
    for my $told (@told) {
        $sum{$_} += $told->{$_} for grep { $_ ne 'bad' } keys %$told;
    }
    return \%sum;
}

# Until each client has ended what it had begun, and asked again since.
sub let_all_ask {
    my @files = map { $redis->dir . "/done.$_" } 0 .. 3;
    my @before = map { -s $_ // 0 } @files;
    wait_until(20, sub {
        !grep { (-s $files[$_] // 0) < $before[$_] + 2 } 0 .. 3 })
        or die "a client does not ask\n";
}

sub by_api { return $_[0]->call('get user', 'incr n 1') }

# Acknowledged ones are there, others only if they were said to be unsure.
sub counter_is_right {
    my ($before, $told) = @_;
    my $grown = $redis->cmd('HGET', $site->key, 'n') - $before;
    my ($ok, $unsure) = map { $_ // 0 } @$told{'add ok', 'add unsure'};
    cmp_ok $grown, '>=', $ok, "none of $ok acknowledged increments is lost";
    cmp_ok $grown, '<=', $ok + $unsure, "and at most $unsure unsure ones more";
    is join(' ', grep { /^(?:read|add) / && !/ (?:ok|down|unsure)$/ }
        sort keys %$told), '', 'nothing else was said'
        or diag explain $told;
}

for my $how (qw(restart kill9)) {
    fault "redis_goes_in_traffic_by_$how" => sub {
        $site->renew;
        my $before = $redis->cmd('HGET', $site->key, 'n');
        my $slow = 0;
        my $times = $long ? 50 : 4;
        my $told = traffic(sub {
            my $own = bless { %$site, jar => $site->{jar}->copy }, ref $site;
            for (1 .. $times) {
                sleep 0.3;
                $how eq 'kill9' ? do { $redis->kill9; $redis->start }
                    : $redis->restart;
                wait_until(2 + $slack, sub { join(' ', map { s/ .*//sr }
                    $own->call('get user', 'set w 1')) eq 'ok ok' })
                    or die "not up again in two seconds\n";
            }
            open my $pid, '>', $redis->dir . '/pid';
            print {$pid} $redis->pid;
        }, \&by_api);
        # It was started in another process.
        $redis->{pid} = DRS::Httpd::slurp($redis->dir . '/pid');
        cmp_ok $told->{'add ok'}, '>', 20, 'there was traffic';
        counter_is_right($before, $told);
        my @lines = $site->lines('sessions are');
        my $children = workers($httpd);
        cmp_ok scalar(@lines), '<=', 2 * $times * $children,
            'the log has two lines a restart and child at most'
            or diag @lines;
    };
}

fault connections_are_killed_in_traffic => sub {
    $site->renew;
    my $before = $redis->cmd('HGET', $site->key, 'n');
    my $told = traffic(sub {
        for (1 .. ($long ? 200 : 40)) {
            sleep 0.05;
            $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
            # A read is repeated once: none is to meet two of these.
            let_all_ask();
        }
    }, \&by_api);
    counter_is_right($before, $told);
    is $told->{'read down'} // 0, 0, 'no read fails'
        or diag explain $told;
    is $told->{'add down'} // 0, 0, 'no write that was not sent does';
    ok well(2), 'and all is well';
};

fault no_request_fails_in_a_graceful_restart => sub {
    $site->renew;
    my $before = $redis->cmd('HGET', $site->key, 'n');
    my $told = traffic(sub {
        for (1 .. ($long ? 100 : 4)) {
            $httpd->graceful or die "no graceful restart\n";
            sleep 0.7;
        }
    }, sub {
        my ($own) = @_;
        my $client = DRS::Http->new(port => $httpd->port, keep => 0);
        my $r = $client->request('POST', '/drs', jar => $own->{jar},
            body => "get user\nincr n 1\n");
        return split /\n/, $r->{body};
    });
    is "@{ $told->{bad} }", '', 'no connection is lost';
    is_deeply [sort grep { $_ ne 'bad' } keys %$told], ['add ok', 'read ok'],
        "all of $told->{'add ok'} requests are answered well"
        or diag explain $told;
    counter_is_right($before, $told);
    ok wait_until(10, sub { $redis->stat('connected_clients')
        <= 1 + 16 * ($mpm eq 'prefork' ? 4 : 1) }),
        'children that left took their connections along';
};

error_log_is_clean($httpd, qr/sessions are down/,
    qr/drsession:error\].*POST /, qr/exit signal Segmentation fault/,
    qr/AH03490/,
    qr/AH00529|AH00052|AH00051/);
$site->names_nobody;
$site->stop;
done_testing;
