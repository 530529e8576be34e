#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Names of variables and headers that httpd fills with a client's words after
# the session was exported cannot show a field: `httpd -t` refuses them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

my @modules = qw(proxy proxy_http);
needs(@modules);
my $redis   = start_redis();
my $httpd = start_httpd(redis => $redis, modules => \@modules);
for my $name (qw(QUERY_STRING CONTENT_TYPE PATH_INFO REQUEST_URI SERVER_NAME)) {
    my ($code) = $httpd->conftest("DRSessionExport user=$name\n");
    isnt $code, 0, "DRSessionExport user=$name is refused";
}
for my $name (qw(X-Forwarded-Host X-Forwarded-For X-Forwarded-Server Via
    Max-Forwards Proxy)) {
    my ($code) = $httpd->conftest("DRSessionForward user $name\n");
    isnt $code, 0, "DRSessionForward user $name is refused";
}
for my $line ('DRSessionExport user=REMOTE_USER', 'DRSessionForward user X-User') {
    my ($code) = $httpd->conftest("$line\n");
    is $code, 0, "$line is not";
}
done_testing;
