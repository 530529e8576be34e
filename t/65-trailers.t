#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# MergeTrailers On is refused beside DRSessionForward, wherever that stands.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

my @modules = qw(proxy proxy_http proxy_fcgi);
needs(@modules);
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, modules => \@modules,
    conf => "DRSession On\n");
for my $at (['<Proxy "fcgi://127.0.0.1:9">', '</Proxy>'],
    ['<ProxyMatch "^fcgi:">', '</ProxyMatch>'], ['<Location /shop>', '</Location>'],
    ['', '']) {
    my ($code, $said) = $httpd->conftest(join "\n", 'DRSession On',
        'MergeTrailers On', 'ProxyPass /shop fcgi://127.0.0.1:9', $at->[0],
        'DRSessionForward user X-Session-User', $at->[1], '');
    isnt $code, 0, "refused in $at->[0]";
    like $said, qr/DRSessionForward.*MergeTrailers/, 'by its name';
}
my ($code) = $httpd->conftest("DRSession On\nMergeTrailers On\n");
is $code, 0, 'without it a site may merge them';
done_testing;
