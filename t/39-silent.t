#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A lookup that failed before the handler ran ends the request, whatever
# section the request came to: docs/expressions.md, "Redis away".
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(rewrite));
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, docs => {
    (map { ("$_/p.txt" => "page of $_") } qw(same off other pfx if unfit)),
    }, conf => <<'CONF');
DRSession On
DRSessionIdle 1h
RewriteEngine On
RewriteMap s int:drsession
RewriteCond expr "%{DRSESSION:banned} == 'yes'"
RewriteRule ^/expr/ - [F]
RewriteRule ^/expr/(.+) /$1 [PT]
RewriteCond ${s:banned} =yes
RewriteRule ^/map/ - [F]
RewriteRule ^/map/(.+) /$1 [PT]
<Location /off>
    DRSession Off
</Location>
<Location /other>
    DRSessionCookie other
</Location>
<Location /pfx>
    DRSessionPrefix pfx:
</Location>
<Location /if>
    DRSession Off
    <If "%{DRSESSION:banned} == 'yes'">
        Require all denied
    </If>
</Location>
<Location /unfit>
    <If "-n %{DRSESSION:unfit}">
        Require all denied
    </If>
</Location>
CONF
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set banned "yes"', 'set unfit "a\nb"');
for my $way (qw(expr map)) {
    is $httpd->get("/$way/$_/p.txt", jar => $jar)->{status}, 403, "/$way/$_: up"
        for qw(same off other pfx);
}
is $httpd->get('/if/p.txt', jar => $jar)->{status}, 500,
    'an <If> on a field where DRSession is Off';
is $httpd->get('/unfit/p.txt', jar => $jar)->{status}, 500,
    'an <If> on a value that cannot be compared';
$redis->stop;
for my $way (qw(expr map)) {
    is $httpd->get("/$way/$_/p.txt", jar => $jar)->{status}, 503,
        "/$way/$_: Redis away" for qw(same off other pfx);
}
done_testing;
