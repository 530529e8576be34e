#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The Redis user of docs/redis-layout.md: all that is needed and no more.
# `make check ACL=1` runs the other tests as that user.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

BEGIN { $ENV{DRS_ACL} = 0 }
needs();
my $redis = start_redis();
my @rules = map { s/^>\K.*/least/r } DRS::Redis::least_acl();
$redis->cmd('ACL', 'SETUSER', 'drs', @rules);
my $secret = $redis->dir . '/password';
open my $out, '>', $secret or die "$secret: $!";
chmod 0600, $secret;
print {$out} "least\n";
close $out;
my $httpd = start_httpd(redis => $redis, servers => 1, conf => <<"CONF");
DRSession On
DRSessionIdle 1h
DRSessionCredentials drs file:$secret
<Location /max>
    SetHandler drstest
    DRSessionIdle 0
    DRSessionMaxLifetime 2h
</Location>
CONF

# Every command that the module knows is sent here.
sub use_all {
    my $jar = jar();
    my $old = 'p' x 43;
    $redis->cmd('DEL', "drsession:$old");
    $redis->cmd('HSET', "drsession:$old", 'a', '1');
    my @said = $httpd->drs({ jar => $jar }, 'set a 1', "set_many b 1\tc 2",
        'add d 1', 'incr n 1', 'get a', 'get_many a b', 'has a', 'count',
        'keys', 'all', 'del b', 'pop c', "set_many a\tz 1", 'regenerate',
        'get z', 'destroy');
    push @said, $httpd->drs({ path => '/max', jar => jar(drsession => $old) },
        'set b 1', 'get a');
    return grep { !/^ok/ } @said;
}

is join(' ', use_all()), '', 'with it all verbs work';
for my $command (grep { /^\+/ } @rules) {
    my $name = substr $command, 1;
    $redis->cmd('SCRIPT', 'FLUSH');
    $redis->cmd('ACL', 'SETUSER', 'drs', "-$name");
    isnt join(' ', use_all()), '', "without $name some do not";
    $redis->cmd('ACL', 'SETUSER', 'drs', "+$name");
}
sleep 1;
$redis->cmd('SCRIPT', 'FLUSH');
ok wait_until(4, sub { !use_all() }), 'and then they do again';

my $as_drs = DRS::Redis->new(start => 0, user => 'drs', pass => 'least');
$as_drs->{dir} = $redis->dir;
for my $line ('FLUSHALL', 'KEYS *', 'CONFIG GET requirepass', 'SCAN 0',
    'GET other', 'HGET other:x a', 'HSET other:x a 1', 'DEL drsession:x',
    'EVAL "x" 0', 'ACL LIST', 'SUBSCRIBE x', 'SHUTDOWN') {
    my @words = $line =~ /"([^"]*)"/ ? ('EVAL',
        "return redis.call('FLUSHALL')", 0) : split ' ', $line;
    is eval { $as_drs->cmd(@words); 'done' } // $@ =~ s/ .*//sr,
        $line =~ /^EVAL/ ? 'ERR' : 'NOPERM', "$line is refused";
}
error_log_is_clean($httpd, qr/drsession:\w+\]/);
done_testing;
