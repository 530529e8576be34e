#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A variable whose name becomes one of ours on the way to a program, which
# gets '_' for whatever is no letter or digit, is cleared as ours is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(setenvif));
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, cgi => { env => "#!/bin/sh\n"
    . "printf 'Content-Type: text/plain\\r\\n\\r\\n'; env\n" }, conf => <<'CONF');
DRSession On
SetEnvIf Spoof "(.+)" DRSESSION-user=$1 DRSESSION.user=$1 SHOP-CART=$1 \
    DRSESSION-ghost=$1
<Location /cgi>
    DRSessionExport user cart=SHOP_CART
</Location>
CONF
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set user "ann"');
for my $with ($jar, jar()) {
    my $r = $httpd->get('/cgi/env', jar => $with,
        headers => [['Spoof', 'evil']]);
    my @seen = sort grep { /^(?:DRSESSION|SHOP)/ } split /\n/, $r->{body};
    is "@seen", $with == $jar ? 'DRSESSION_STATUS=live DRSESSION_user=ann'
        : 'DRSESSION_STATUS=none', 'what is true and nothing else';
}
done_testing;
