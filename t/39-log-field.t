#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the access log tells of a session is of that of the page.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(include log_config));

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, docs => {
    'page.shtml' => "<!--#include virtual=\"/other/part.txt\" -->\n",
    'other/part.txt' => 'part',
}, conf => <<'CONF');
DRSession On
DRSessionExport user
<LocationMatch "^/(other|drs/other)">
    DRSessionPrefix other:
    DRSessionCookie other
</LocationMatch>
<Location /drs/other>
    SetHandler drstest
</Location>
LogFormat "%U user=%{user}^DS" ours
CustomLog access.log ours
CONF

sub logged {
    my ($path) = @_;
    my $line;
    wait_until(5, sub {
        ($line) = DRS::Httpd::slurp($httpd->dir . '/access.log')
            =~ m{^\Q$path\E (.*)}m;
        defined $line;
    });
    return $line;
}

my $jar = jar();
$httpd->drs({ jar => $jar }, 'set user "ann"');
my $r = $httpd->request('POST', '/drs/other', body => "set user \"bob\"\n");
my ($bob) = header($r, 'Set-Cookie') =~ /^other=([^;]+)/;
my $cookies = 'drsession=' . $jar->id . "; other=$bob";
$httpd->get('/page.shtml', headers => [['Cookie', $cookies]]);
is logged('/page.shtml'), 'user=ann',
    'the user is that of the page, whatever session a part of it has';
$httpd->get('/other/part.txt', headers => [['Cookie', $cookies]]);
is logged('/other/part.txt'), 'user=bob', 'and so it is of the part';
error_log_is_clean($httpd);
done_testing;
