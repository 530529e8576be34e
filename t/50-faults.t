#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Trouble with Redis, a row each: what every door says, in which time, what
# the log has of it, and that all is well again by itself. DRS_MPM is the
# MPM (event), DRS_ROW a pattern of names.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Fault;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

needs('headers');
my $site = DRS::Fault->new(mpm => $ENV{DRS_MPM} // 'event',
    redis => { appendonly => 1,
        args => ['--enable-debug-command', 'yes'] });
my ($redis, $liar) = ($site->redis, $site->liar);

sub set { $redis->cmd('CONFIG', 'SET', @_) }
sub kill_links {
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}
sub acl { $redis->cmd('ACL', 'SETUSER', 'default', @_) }
my $nowhere = DRS::Proc::dead_port();

# What the proxy does, until it tells the truth again.
sub lies {
    my ($mode, @words) = @_;
    return (host => 'lied', inject => sub { $liar->mode($mode, @words) },
        heal => sub { $liar->mode('pass') });
}

my $busy;
sub be_busy {
    $busy = fork // die "fork: $!";
    if ($busy == 0) {
        $redis->disconnect;
        eval { $redis->cmd('EVAL', 'while true do end', 0) };
        POSIX::_exit(0);
    }
    wait_until(5, sub { !eval { $redis->cmd('PING') } }) or die 'not busy';
}

sub be_free {
    return unless $busy;
    $redis->cmd('SCRIPT', 'KILL');
    waitpid $busy, 0;
    undef $busy;
}

my $other = 'drsession:' . 'y' x 44;
my $n = 0;
sub put { my ($field, $value) = @_;
    $redis->cmd('HSET', $site->key, $field, $value) }
sub spoil_n { my ($value) = @_;
    return (inject => sub { $n = $redis->cmd('HGET', $site->key, 'n');
                            put('n', $value) },
            heal => sub { put('n', $n) if defined $n; undef $n }) }

sub reads_go_on_without_a_touch {
    is_deeply [$site->call_still('get user', 'set w 1')],
        ['ok "zoe"', 'down'], 'DRSessionTouch Off: reads go on';
}

my @refused = (read => 'down', write => 'down', incr => 'down');
my @silence = (read => 'down', write => 'unsure', incr => 'unsure',
    each => 1, down => 1);
my @garbled = (read => 'reply', write => 'unsure', incr => 'unsure');

$site->run_all(
    { name => 'connections_are_refused', @refused, most => 0.01, down => 1,
      why => qr/cannot connect to redis:.*: Connection refused/,
      inject => sub { $redis->stop },
      heal => sub { $redis->start unless $redis->pid } },
    { name => 'redis_hangs', @silence, why => qr/did not answer in time/,
      inject => sub { $redis->hang }, heal => sub { $redis->resume } },
    { name => 'a_black_hole_accepts_and_swallows', few => 1, lies('hole'),
      @silence, why => qr/did not answer in time/ },
    { name => 'answers_come_in_drips', few => 1, lies('drip', 100), @silence,
      why => qr/did not answer in time/ },
    { name => 'answers_come_late_but_in_time', few => 1, lies('delay', 60),
      silent => 1 },
    { name => 'answers_stop_half_way', few => 1, lies('hush', 2), @silence,
      why => qr/did not answer in time/ },
    { name => 'answers_are_cut_off', lies('cut', 3), @silence,
      why => qr/closed the connection/ },
    { name => 'answers_are_one_too_many', lies('extra', "+OK\r\n"), @garbled,
      why => qr/no fit reply/ },
    { name => 'answers_are_of_another_type', few => 1, lies('say', "+PONG\r\n"),
      @garbled, why => qr/no fit reply/ },
    { name => 'idle_connections_are_killed', silent => 1, each => 1,
      inject => \&kill_links, heal => sub { } },
    { name => 'redis_closes_idle_connections', silent => 1,
      inject => sub { set('timeout', 1); sleep 2.2 },
      heal => sub { $redis->disconnect; set('timeout', 0) } },
    { name => 'scripts_are_forgotten', few => 1, silent => 1, each => 1,
      inject => sub { $redis->cmd('SCRIPT', 'FLUSH') }, heal => sub { } },
    # A read that refreshes the expiry is a write to Redis.
    { name => 'a_replica_takes_no_writes', @refused,
      why => qr/refused: READONLY You can't write against/,
      also => sub { reads_go_on_without_a_touch() },
      inject => sub { $redis->cmd('REPLICAOF', '127.0.0.1', $nowhere) },
      heal => sub { $redis->cmd('REPLICAOF', 'NO', 'ONE') } },
    { name => 'a_replica_without_its_primary', few => 1, @refused,
      why => qr/refused: MASTERDOWN/,
      inject => sub { set('replica-serve-stale-data', 'no');
                      $redis->cmd('REPLICAOF', '127.0.0.1', $nowhere) },
      heal => sub { $redis->cmd('REPLICAOF', 'NO', 'ONE');
                    set('replica-serve-stale-data', 'yes') } },
    { name => 'a_primary_without_replicas', few => 1, @refused,
      why => qr/refused: NOREPLICAS/,
      also => sub { reads_go_on_without_a_touch() },
      inject => sub { set('min-replicas-to-write', 1) },
      heal => sub { set('min-replicas-to-write', 0) } },
    { name => 'redis_reads_its_data', @refused, why => qr/refused: LOADING/,
      inject => sub {
          $redis->cmd('DEBUG', 'POPULATE', 300, 'x', 1024);
          set('rdbcompression', 'no');
          $redis->cmd('SAVE');
          $redis->stop;
          $redis->launch('--appendonly', 'no', '--key-load-delay', 100_000,
              '--loading-process-events-interval-bytes', 1024);
          wait_until(10, sub { !eval { $redis->cmd('PING') }
              && $@ =~ /LOADING/ }) or die 'not loading';
      },
      heal => sub {
          return if eval { $redis->cmd('PING') };
          $redis->kill9;
          $redis->start;
          $redis->cmd('DEL', map { "x:$_" } 0 .. 299);
      } },
    { name => 'memory_is_full', write => 'down', incr => 'down', calm => 1,
      why => qr/refused: OOM command not allowed/,
      inject => sub { if (!$redis->cmd('CONFIG', 'GET', 'maxmemory')->[1]) {
                          $redis->cmd('HSET', $site->key, 'x', 1);
                          $redis->cmd('COPY', $site->key, $other, 'REPLACE');
                      }
                      set('maxmemory-policy', 'noeviction');
                      set('maxmemory', 1) },
      heal => sub { set('maxmemory', 0) },
      also => sub {
          my $before = $redis->stat('total_connections_received');
          is_deeply [map { s/ .*//sr } $site->call('get user', 'set w 1',
              'set_many w', 'has w', 'del x', 'has x', 'all', 'count')],
              [qw(ok down ok notfound ok notfound ok ok)],
              'reads go on, and what deletes';
          is $site->httpd->drs({ jar => jar(drsession => 'y' x 44) },
              'destroy'), 'ok', 'a session can end';
          is $redis->cmd('EXISTS', $other), 0, 'at once';
          # Before Redis 8 no transaction is queued then.
          my $popped = $site->call('pop user');
          like $popped, qr/\A(?:down|ok "zoe")\z/, 'pop is refused, or done';
          is $redis->cmd('HEXISTS', $site->key, 'user'), $popped eq 'down' ? 1
              : 0, 'and says which';
          is $redis->stat('total_connections_received'), $before,
              'on the same connection';
          set('maxmemory', 0);
          $redis->cmd('HSET', $site->key, 'user', '"zoe"');
      } },
    { name => 'disks_are_full', few => 1, @refused,
      lies('say', "-MISCONF Redis is configured to save RDB snapshots, but "
          . "it's currently unable\r\n"),
      why => qr/refused: MISCONF/ },
    { name => 'a_script_keeps_redis_busy', @refused,
      why => qr/refused: BUSY/,
      inject => sub { set('busy-reply-threshold', 20); be_busy() },
      heal => \&be_free },
    { name => 'a_password_is_wanted', @refused,
      why => qr/refused: NOAUTH Authentication required/,
      inject => sub { set('requirepass', 'x'); kill_links() },
      heal => sub { set('requirepass', '') } },
    { name => 'reading_is_denied', read => 'down', incr => 'unsure',
      why => qr/no permissions to run the 'hm?get' command/,
      inject => sub { acl('-hget', '-hmget') }, heal => sub { acl('+@all') } },
    { name => 'writing_is_denied', write => 'down', incr => 'down',
      why => qr/no permissions to run the 'evalsha' command/,
      inject => sub { acl('-evalsha', '-eval') },
      heal => sub { acl('+@all') } },
    { name => 'a_script_is_denied_a_command', write => 'unsure',
      incr => 'unsure', why => qr/denied a command of a script to its user/,
      inject => sub { acl('-hset', '-hincrby') },
      heal => sub { acl('+@all') } },
    { name => 'too_many_clients', @refused,
      why => qr/refused: ERR max number of clients reached/,
      inject => sub { set('maxclients', 1); kill_links() },
      heal => sub { set('maxclients', 1000) } },
    (map { { name => "a_server_of_a_cluster_says_$_->[0]", @refused,
             few => $_->[0] ne 'MOVED',
             lies('say', "-$_->[0] $_->[1]\r\n"),
             why => qr{$_->[0], .* a Redis Cluster; .* cluster://} } }
        ['MOVED', '866 127.0.0.1:7001'], ['ASK', '866 127.0.0.1:7001'],
        ['CLUSTERDOWN', 'Hash slot not served'],
        ['TRYAGAIN', 'Multiple keys request during rehashing of slot']),
    { name => 'the_key_is_of_another_type', read => 'reply', own => 1,
      write => 'reply', incr => 'reply', why => qr/refused: WRONGTYPE/,
      inject => sub { $redis->cmd('RENAME', $site->key, 'kept');
                      $redis->cmd('SET', $site->key, 'x') },
      heal => sub { $redis->cmd('RENAME', 'kept', $site->key)
                        if $redis->cmd('EXISTS', 'kept') },
      also => sub { is $redis->cmd('GET', $site->key), 'x',
                        'it is left alone' } },
    { name => 'the_counter_is_no_number', incr => 'value', own => 1,
      spoil_n('"seven"') },
    { name => 'the_counter_would_overflow', incr => 'value', own => 1,
      spoil_n('9223372036854775807') },
    { name => 'the_value_is_no_json', own => 1,
      inject => sub { put('user', '"zoe') },
      heal => sub { put('user', '"zoe"') },
      # Text that nobody has to understand is passed on as it is.
      door => { 'export, fail' => '=200', 'export, pass' => '=200 live "zoe',
          'Lua read' => 'reply', 'Require' => '=403', 'If' => '=200' } },
);
error_log_is_clean($site->httpd, qr/\[(?:drsession|core|authz_core):error\]/);
$site->names_nobody;
$site->stop;
done_testing;
