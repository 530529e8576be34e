#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Places where an answer could be taken for none, or shown where it is not
# to be: rewrite maps, the index of a folder, the workers of HTTP/2.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::H2;
use DRS::Liar;
use Test::More;

needs(qw(rewrite dir http2));
my $redis = start_redis();
my $show = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n[%s]' "
    . "\"\$WHO\"\n";
my $httpd = start_httpd(redis => $redis,
    docs => { 'map/x.txt' => 'in' }, cgi => { 'index.cgi' => $show },
    conf => <<'CONF');
DRSession On
RewriteEngine On
RewriteMap s int:drsession
RewriteCond ${s:banned} =yes
RewriteRule ^/map/ - [F]
DirectoryIndex index.cgi
<LocationMatch "^/cgi/(open)?$">
    DRSessionExport user=WHO
</LocationMatch>
<LocationMatch "^/cgi/index">
    DRSession Off
</LocationMatch>
CONF

my $jar = jar();
$httpd->drs({ jar => $jar }, 'set user "ann"', 'set banned "no"');
is $httpd->get('/map/x.txt', jar => $jar)->{status}, 200, 'a value that fits';
$httpd->drs({ jar => $jar }, 'set banned "ye\ns"');
is $httpd->get('/map/x.txt', jar => $jar)->{status}, 500,
    'a value that a map cannot give is not taken for none';
is $httpd->get('/cgi/', jar => $jar)->{body}, '[]',
    'what a folder exports is not shown to an index where it is Off';
error_log_is_clean($httpd, qr/RewriteMap int:drsession has no answer/);

SKIP: {
    my $missing = DRS::H2::missing();
    skip $missing, 1 if defined $missing;
    my $liar = DRS::Liar->new(port => $redis->port);
    my $few = start_httpd(redis => $redis, url_of_redis => $liar->url,
        servers => 1, threads => 4, modules => ['http2'], conf => <<'CONF');
Protocols h2c http/1.1
H2MinWorkers 16
H2MaxWorkers 16
DRSession On
DRSessionTimeout command=10s request=20s
<Location /s>
    SetHandler drsession
    DRSessionAllow read *
</Location>
CONF
    my $h2 = DRS::H2->new($few->port);
    my $cookie = [Cookie => 'drsession=' . $jar->id];
    my @round = map { +{ path => '/s/user', headers => [$cookie] } } 1 .. 12;
    $liar->mode('delay', 400);
    my %status;
    $status{ $_->{status} }++ for $h2->round(@round);
    is_deeply \%status, { 200 => 12 },
        'no worker of HTTP/2 waits for the connection of another';
    error_log_is_clean($few);
}
done_testing;
