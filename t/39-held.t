#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Who holds a handle while another page answers the request finds its headers
# out, whether that page has a session or not.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF',
DRSession On
<Location /off>
    DRSession Off
</Location>
CONF
    docs => { 'x.txt' => 'x', 'off/x.txt' => 'x' });
for my $path ('/x.txt', '/off/x.txt') {
    my $r = $httpd->request('POST', '/drs',
        headers => [['Connection', 'close']],
        body => "redirect $path\nset a 1\n");
    is "$r->{status} $r->{body}", '200 x', "the other page is shown ($path)";
    is header($r, 'Set-Cookie'), undef, 'without a cookie';
    is $redis->cmd('DBSIZE'), 0, 'and no session is left that nobody can find';
}
error_log_is_clean($httpd);
done_testing;
