#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Redis away, hanging, restarted, refusing: calls say so in time, pages
# without a session do not notice, and all is well again by itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

needs();
my $conf = <<'CONF';
DRSession On
DRSessionIdle 1h
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
CONF
my @docs = (docs => { 'page.txt' => 'static' }, servers => 1);
my $ours = qr/drsession:\w+\]/;

sub works_within {
    my ($httpd, $seconds, $name) = @_;
    ok in_time($seconds, sub {
        my $answer = $httpd->drs({ jar => jar() }, 'set a 1');
        $answer eq 'ok';
    }), $name;
}

subtest 'down_at_start_and_refused' => sub {
    my $redis = start_redis(start => 0);
    my $httpd = start_httpd(redis => $redis, kind => 'tcp', conf => $conf,
        @docs);
    is $httpd->get('/page.txt')->{body}, 'static', 'static pages are fine';
    is $httpd->drs('get a', 'count'), 'ok 0', 'so is having no session';
    my $jar = jar(drsession => 'x' x 44);
    for my $line ('get a', 'set a 1', 'incr a 1', 'has a', 'all', 'destroy',
        'regenerate', 'pop a', 'del a') {
        my ($took, @answer) = timed(sub {
            $httpd->drs({ jar => $jar }, $line, 'error');
        });
        is $answer[0], 'down', "$line is down";
        cmp_ok $took, '<', 1, 'at once';
        like $answer[1], qr/\Aok ./, 'with a reason';
        unlike $answer[1], qr/x{44}/, 'that names no id';
    }
    is $httpd->drs({ jar => my $new = jar() }, 'set a 1'), 'down', 'a birth';
    is $new->id, undef, 'sends no cookie';
    my $r = $httpd->get('/session/a', jar => $jar);
    is $r->{status}, 503, 'REST says 503';
    is decode_json($r->{body})->{error}, 'down', 'down';
    ok defined header($r, 'Retry-After'), 'with Retry-After';
    my ($took) = timed(sub {
        $httpd->drs({ jar => $jar }, 'get a') for 1 .. 100;
    });
    cmp_ok $took / 100, '<', 0.02, 'the breaker makes it cheap';
    $redis->start;
    works_within($httpd, 3, 'Redis comes: it works, httpd untouched');
    error_log_is_clean($httpd, $ours);
    $_->stop for $httpd, $redis;
};

subtest 'hanging_and_restarted' => sub {
    my $redis = start_redis(appendonly => 1);
    my $httpd = start_httpd(redis => $redis, conf => $conf, @docs);
    my $jar = jar();
    # Redis learns the script first: later it runs what it finds waiting.
    $httpd->drs({ jar => $jar }, 'incr n 1');
    $redis->hang;
    my ($took, $r) = timed(sub {
        $httpd->request('POST', '/session/n?incr=1', jar => $jar);
    });
    is $r->{status}, 503, 'a write to a hanging Redis';
    is decode_json($r->{body})->{error}, 'unsure', 'may have happened';
    is header($r, 'Retry-After'), undef, 'nobody is told to repeat it';
    cmp_ok $took, '<', 0.8, 'within the command timeout';
    ($took, my $said) = timed(sub { $httpd->drs({ jar => $jar }, 'get n') });
    is $said, 'down', 'a read has no answer';
    cmp_ok $took, '<', 0.8, 'in time';
    $httpd->drs({ jar => $jar }, 'get n') for 1 .. 3;
    my $best = 9;
    for (1 .. 5) {
        ($took) = timed(sub { $httpd->drs({ jar => $jar }, 'get n') });
        $best = $took if $took < $best;
    }
    cmp_ok $best, '<', 0.05, 'the breaker answers for it';
    ($took, my @many) = timed(sub {
        $httpd->drs({ jar => $jar }, ('get n', 'sleep 130') x 20);
    });
    cmp_ok $took, '<', 2 + 20 * 0.13 + 0.5, 'a request has its own budget';
    is $httpd->get('/page.txt')->{body}, 'static', 'static pages are fine';
    $redis->resume;
    ok in_time(4, sub { $httpd->drs({ jar => $jar }, 'get n') =~ /^ok/ }),
        'it goes on when Redis does';
    is $httpd->drs({ jar => $jar }, 'get n'), 'ok 2', 'counted once';
    for my $how (qw(restart kill9)) {
        $httpd->drs({ jar => $jar }, 'incr n 1');
        $how eq 'kill9' ? do { $redis->kill9; $redis->start }
            : $redis->restart;
        ok in_time(2, sub {
            $httpd->drs({ jar => $jar }, 'get n') =~ /^ok/ }), "$how: again";
    }
    error_log_is_clean($httpd, $ours);
    $_->stop for $httpd, $redis;
};

# The sockets of httpd's children.
sub sockets {
    my ($httpd) = @_;
    return grep { /^socket:/ } map { readlink $_ // '' }
        map { glob "/proc/$_/fd/*" } $httpd->children;
}

subtest 'a_move_without_an_answer_is_asked_for' => sub {
    my $redis = start_redis();
    my $httpd = start_httpd(redis => $redis, conf => $conf, @docs);
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set a 1');
    my $old = $jar->id;
    my %open = map { $_ => 1 } sockets($httpd);
    $redis->hang;
    my ($said, $closed) = parallel(2, sub {
        my ($k) = @_;
        # Who waited in vain closes his connection and asks on another.
        if ($k) {
            my $closed = wait_until(10, sub {
                my %now = map { $_ => 1 } sockets($httpd);
                return grep { !$now{$_} } keys %open;
            });
            $redis->resume;
            return $closed;
        }
        my $own = $jar->copy;
        return [$httpd->drs({ jar => $own }, 'regenerate', 'get a'),
                $own->id];
    });
    ok $closed, 'the answer did not come';
    is_deeply [@$said[0, 1]], ['ok', 'ok 1'], 'it has moved, so it is ok';
    isnt $said->[2], $old, 'the browser learns the new id';
    is $redis->cmd('HGET', "drsession:$said->[2]", 'a'), 1, 'of the new key';
    $redis->hang;
    my $own = jar(drsession => $said->[2]);
    is $httpd->drs({ jar => $own }, 'regenerate'), 'unsure',
        'without an answer to that too it is unsure';
    is $own->id, $said->[2], 'and no cookie is sent';
    $redis->resume;
    error_log_is_clean($httpd, $ours);
    $_->stop for $httpd, $redis;
};

subtest 'closed_connections_are_noticed_before_use' => sub {
    my $redis = start_redis();
    my $httpd = start_httpd(redis => $redis, conf => $conf, @docs);
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set n 0');
    my @bad;
    for my $n (1 .. 50) {
        $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        push @bad, grep { !/^ok/ } $httpd->drs({ jar => $jar }, 'get n',
            'incr n 1');
    }
    is "@bad", '', '50 CLIENT KILLs make no error';
    is $httpd->drs({ jar => $jar }, 'get n'), 'ok 50', 'each counted once';
    $redis->cmd('CONFIG', 'SET', 'timeout', '1');
    sleep 2.5;
    is $httpd->drs({ jar => $jar }, 'incr n 1'), 'ok 51',
        'a server that closes idle connections';
    error_log_is_clean($httpd);
    $_->stop for $httpd, $redis;
};

subtest 'redis_refuses' => sub {
    my $redis = start_redis();
    my $httpd = start_httpd(redis => $redis, conf => $conf, @docs);
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set n 1');
    my $run = sub { scalar $httpd->drs({ jar => $jar }, @_) };
    $redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    $redis->cmd('CONFIG', 'SET', 'maxmemory', '1');
    is $run->('set n 2'), 'down', 'OOM: a write was not executed';
    is $run->('get n'), 'ok 1', 'reads go on';
    is $run->('set n 2'), 'down', 'and so it stays';
    $redis->cmd('CONFIG', 'SET', 'maxmemory', '0');
    ok wait_until(3, sub { $run->('set n 3') eq 'ok' }), 'until there is room';
    my $other = DRS::Proc::dead_port();
    $redis->cmd('REPLICAOF', '127.0.0.1', $other);
    is $run->('set n 4'), 'down', 'READONLY: a replica takes no write';
    $redis->cmd('REPLICAOF', 'NO', 'ONE');
    ok wait_until(3, sub { $run->('set n 5') eq 'ok' }), 'a primary does';
    my $key = 'drsession:' . $jar->id;
    $redis->cmd('DEL', $key);
    $redis->cmd('SET', $key, 'x');
    is $run->($_), 'reply', "WRONGTYPE: $_" for 'get a', 'set a 1', 'incr a 1',
        'has a', 'all', 'count', 'keys', 'pop a', 'del a', 'get_many a',
        'add a 1', "set_many a 1\tb";
    is $redis->cmd('GET', $key), 'x', 'the key is left alone';
    error_log_is_clean($httpd, $ours);
    $_->stop for $httpd, $redis;
};

subtest 'passwords' => sub {
    my $redis = start_redis(args => ['--requirepass', 'right-secret'],
        pass => 'right-secret');
    my ($wrong, $right) = map {
        my $pass = $_;
        my $httpd = start_httpd(conf => '', start => 0);
        $httpd->add('secret', "$pass\n");
        chmod 0600, $httpd->dir . '/secret' or die "chmod: $!";
        $httpd->{conf} = $conf . 'DRSessionServer ' . $redis->url . "\n"
            . 'DRSessionCredentials file:' . $httpd->dir . "/secret\n";
        $httpd->start;
    } qw(wrong-secret right-secret);
    is $right->drs({ jar => jar() }, 'set a 1'), 'ok', 'the right one';
    my @said = $wrong->drs({ jar => jar() }, 'set a 1', 'error');
    is $said[0], 'down', 'the wrong one is down';
    unlike "@said" . $wrong->error_log, qr/wrong-secret/, 'and not shown';
    unlike $right->error_log, qr/right-secret/, 'nor is the right one';
    error_log_is_clean($wrong, $ours);
    error_log_is_clean($right);
    $_->stop for $wrong, $right, $redis;
};

subtest 'pools' => sub {
    my $redis = start_redis();
    my $httpd = start_httpd(redis => $redis, @docs,
        conf => $conf . "DRSessionPool Off\n");
    my $jar = jar();
    is_deeply [$httpd->drs({ jar => $jar }, 'set a 1', 'get a', 'incr n 1')],
        ['ok', 'ok 1', 'ok 1'], 'Off works';
    ok wait_until(2, sub {
        $redis->stat('connected_clients') == 1 }), 'and keeps no connection';
    $httpd->stop;
    my $slow = start_httpd(redis => $redis, @docs, conf => $conf
        . "DRSessionPool max=1 wait=100ms\n"
        . "DRSessionTimeout command=10s request=20s\n");
    $slow->drs({ jar => $jar }, 'get a');
    $redis->hang;
    my @said = parallel(5, sub {
        my ($k) = @_;
        my $told = $slow->dir . '/told';
        if ($k == 4) {
            wait_until(8, sub { 3 == grep { -e "$told.$_" } 0 .. 3 });
            $redis->resume;
            return ['resumed'];
        }
        my $own = $jar->copy;
        my ($took, $answer) = timed(sub {
            $slow->drs({ jar => $own }, 'get a');
        });
        $slow->add("told.$k", '');
        return [$answer, $took];
    });
    my @down = grep { $_->[0] eq 'down' } @said;
    is scalar(@down), 3, 'one connection serves one, the others are told';
    is scalar(grep { $_->[1] > 0.6 } @down), 0, 'after their wait';
    ok wait_until(4, sub { $slow->drs({ jar => $jar }, 'get a') eq 'ok 1' }),
        'then all is well';
    error_log_is_clean($slow, $ours);
};
done_testing;
