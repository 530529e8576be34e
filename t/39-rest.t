#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the handler keeps to itself, and whom it takes for its own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF');
DRSession On
<Location /s>
    SetHandler drsession
    DRSessionAllow write hits
</Location>
CONF

my $jar = jar();
my $first = $httpd->request('POST', '/s/hits?incr=7', jar => $jar);
is $first->{status}, 204, 'a sum that may not be read is counted';
is $first->{body}, '', 'and not told';
like header($first, 'Cache-Control') // '', qr/\bno-store\b/,
    'no cache keeps the response that has the cookie';
unlike header($httpd->request('POST', '/s/hits?incr=0', jar => $jar),
    'Cache-Control') // '', qr/no-store/, 'others it may keep for its user';
is $redis->cmd(HGET => 'drsession:' . $jar->id, 'hits'), 7, 'it is there';

# Browsers leave the standard port out of Origin, some clients put it in Host.
sub put {
    my ($host, $origin) = @_;
    return $httpd->request('PUT', '/s/hits', jar => $jar, body => '1',
        headers => { Host => $host, Origin => $origin })->{status};
}
is put('shop.example:80',  'http://shop.example'),      204, 'port 80 in Host';
is put('shop.example',     'http://shop.example'),      204, 'in neither';
is put('shop.example:81',  'http://shop.example:81'),   204, 'port 81';
is put('shop.example:80',  'http://shop.example:81'),   403, 'another port';
is put('shop.example:180', 'http://shop.example:1'),    403, 'half of one';
is put('shop.example:80',  'https://shop.example'),     403, 'another scheme';
error_log_is_clean($httpd);
done_testing;
