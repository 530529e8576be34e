#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What a client can do to DRSessionForward by TRACE, Connection and Host.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Backend;
use Test::More;

needs(qw(proxy proxy_http));
my $redis   = start_redis();
my $backend = DRS::Backend->new;
my $url     = $backend->url('http');
my $httpd = start_httpd(redis => $redis, modules => [qw(proxy proxy_http)],
    conf => <<"CONF");
DRSession On
DRSessionIdle 1h
ProxyPass /shop $url
<Location /shop>
    DRSessionForward secret X-Session-Secret
</Location>
CONF
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set secret "s3cr3t"');

subtest 'trace_shows_no_field' => sub {
    my $r = $httpd->request('TRACE', '/shop/echo', jar => $jar,
        headers => [['Max-Forwards', 0]]);
    note "$r->{status}\n$r->{body}";
    unlike $r->{body}, qr/s3cr3t/, 'Max-Forwards: 0, answered by mod_proxy';
    $r = $httpd->request('TRACE', '/shop/echo', jar => $jar);
    note "$r->{status}\n$r->{body}";
    unlike $r->{body}, qr/s3cr3t/, 'without it';
};

subtest 'connection_cannot_name_it' => sub {
    for my $value ('X-Session-Secret', 'X-Session-Secret;', ';X-Session-Secret',
        'close;X-Session-Secret', 'keep-alive;X-Session-Secret;x',
        'keep-alive, x;X-Session-Secret', '"X-Session-Secret"', "X-Session-Secret;a=b") {
        my $r = $httpd->get('/shop/echo', jar => $jar,
            headers => [['Connection', $value]], close => 1);
        like $r->{body}, qr/X-Session-Secret: s3cr3t/, "Connection: $value";
    }
};
done_testing;
