#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A Redis in which a command was renamed away, as some hosts do: the answer
# says what may have happened, and no other request pays for it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
plan skip_all => 'the least user has the commands that are missing here'
    if $ENV{DRS_ACL};

my $id = 'A' x 43;

# Redis without a command, an httpd with one connection, a live session.
sub without {
    my ($command) = @_;
    my $redis = start_redis(args => ['--rename-command', $command, '']);
    my $httpd = start_httpd(redis => $redis, servers => 1, conf => <<'CONF');
DRSession On
DRSessionIdle 1h
DRSessionTouch Off
DRSessionPool max=1
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
CONF
    $redis->cmd('HSET', "drsession:$id", 'f', '1');
    return ($redis, $httpd);
}

sub ask {
    my ($httpd, $method, $path, $body) = @_;
    my $r = $httpd->request($method, "/session$path", body => $body,
        headers => { Cookie => "drsession=$id" });
    my ($word) = $r->{body} =~ /"error": "(\w+)"/;
    return "$r->{status}" . (defined $word ? " $word" : '');
}

subtest 'a_script_that_lacks_a_command_is_unsure' => sub {
    my ($redis, $httpd) = without('PEXPIRE');
    is ask($httpd, 'PUT', '/f', '2'), '503 unsure', 'it stops after its write';
    is $redis->cmd('HGET', "drsession:$id", 'f'), '2', 'which was done';
    is ask($httpd, 'GET', '/f'), '200', 'a read lacks nothing';
    error_log_is_clean($httpd, qr/denied a command of a script|are down/);
};

subtest 'no_connection_is_left_inside_a_transaction' => sub {
    my ($redis, $httpd) = without('EXEC');
    for (1 .. 2) {
        is ask($httpd, 'POST', '/f?pop'), '500 reply', 'EXEC is not known';
        is ask($httpd, 'GET', '/f'), '200', 'the next request has its answer';
        is ask($httpd, 'POST', '?regenerate'), '500 reply', 'nor here';
        is ask($httpd, 'PUT', '/f', '3'), '204', 'the next one writes';
        is $redis->cmd('HGET', "drsession:$id", 'f'), '3', 'and is right';
    }
    error_log_is_clean($httpd, qr/Redis refused: ERR unknown command/);
};

done_testing;
