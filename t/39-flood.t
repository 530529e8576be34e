#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A visitor may fill a session until its reply is over the limit; how often
# that is asked for again is not how much is logged.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, servers => 1, conf => <<'CONF');
DRSession On
DRSessionLimit value=1k
<Location /s>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
CONF

my $jar = jar();
my $value = '"' . 'x' x 1000 . '"';
$httpd->request('PUT', "/s/f$_", jar => $jar, body => $value) for 1 .. 80;
my %status;
for (1 .. 100) {
    $status{ $httpd->get('/s/', jar => $jar)->{status} }++;
    $status{ $httpd->get('/s/f1', jar => $jar)->{status} }++;
}
is_deeply \%status, { 500 => 100, 200 => 100 },
    'the whole is too long, a field is not';
my @lines = $httpd->error_log =~ /^(.*\[drsession:(?:error|notice)\].*)$/mg;
cmp_ok @lines, '<=', 6, 'a hundred such requests are a few lines'
    or diag @lines . " lines, the last:\n$lines[-1]";
like "@lines", qr/no fit reply/, 'which say why';
error_log_is_clean($httpd, qr/no fit reply/);
done_testing;
