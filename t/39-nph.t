#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A program that sends its own headers gets no key of a new session: its
# cookie could not be sent.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, cgi => { 'nph-env' => "#!/bin/sh\n"
    . "printf 'HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\n"
    . "Connection: close\\r\\n\\r\\n'; env\n" }, conf => <<'CONF');
DRSession On
<Location /cgi>
    DRSessionChildAccess On
</Location>
CONF
my $r = $httpd->get('/cgi/nph-env', close => 1);
is $r->{status}, 200, 'without a session';
ok $r->{body} !~ /^DRSESSION_KEY=/m || defined header($r, 'Set-Cookie'),
    'no key without its cookie';
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set a 1');
$r = $httpd->get('/cgi/nph-env', jar => $jar, close => 1);
like $r->{body}, qr/^DRSESSION_KEY=drsession:\Q@{[$jar->id]}\E$/m,
    'that of a session which is there';
done_testing;
