#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Which ids a section accepts is its own affair, whoever asked before it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(rewrite));
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF');
DRSession On
RewriteEngine On
RewriteCond expr "%{DRSESSION:lang} == 'de'"
RewriteRule ^/app$ - [E=LANG_DE:1]
RewriteRule ^/app$ /loose [PT]
RewriteRule ^/app2$ /loose [PT]
RewriteCond expr "%{DRSESSION:a} == '7'"
RewriteRule ^/ask$ - [E=SEVEN:1]
RewriteRule ^/ask$ /asked [PT]
<LocationMatch "^/(?:loose|asked)">
    SetHandler drstest
    DRSessionStrict Off
</LocationMatch>
<Location /asked>
    Require drsession a 1
</Location>
CONF
my $id = 'f' x 32;
$redis->cmd('HSET', "drsession:$id", 'a', '1');
for my $path ('/loose', '/app2', '/app') {
    my $jar = jar(drsession => $id);
    is $httpd->drs({ path => $path, jar => $jar }, 'get a'), 'ok 1',
        "$path: an id of 32 letters is one";
    $httpd->drs({ path => $path, jar => $jar }, 'set b 1');
    is $jar->id, $id, 'and no other is made';
}
is $httpd->drs({ path => '/ask', jar => jar(drsession => $id) }, 'get a'),
    'ok 1', 'what was read of no session is asked for again';
done_testing;
