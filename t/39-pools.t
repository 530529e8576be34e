#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Servers share connections only where they allow as many: a site that is
# to have one leaves another all of its own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, servers => 1, start => 0);
my $port = $httpd->port;
$httpd->{conf} = <<"CONF";
DRSession On
DRSessionPool max=1 wait=10ms
DRSessionTimeout command=10s request=15s
<VirtualHost 127.0.0.1:$port>
    ServerName one.test
</VirtualHost>
<VirtualHost 127.0.0.1:$port>
    ServerName many.test
    DRSessionPool max=4 wait=10ms
</VirtualHost>
CONF
$httpd->start;

# Four writes at once, which Redis lets wait.
sub write_at_once {
    my ($host) = @_;
    $redis->cmd('CLIENT', 'PAUSE', 3000, 'WRITE');
    return join ' ', sort map { /^(\w+)/ } parallel(4, sub {
        $httpd->drs({ headers => [['Host', $host]] }, 'set a 1') });
}
is write_at_once('many.test'), 'ok ok ok ok', 'four have a connection each';
is write_at_once('one.test'), 'down down down ok', 'of one, one has it';
is write_at_once('many.test'), 'ok ok ok ok', 'and four are left to the other';
error_log_is_clean($httpd, qr/sessions are down/);
done_testing;
