#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A request that goes through sections of different codecs: what one codec
# made of a value is not what another one shows.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(include rewrite));
my $redis = start_redis();
my $show = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n%s' "
    . "\"\$DRSESSION_role\"\n";
my $httpd = start_httpd(redis => $redis, cgi => { show => $show },
    docs => { 'both.shtml' => '[<!--#include virtual="/cgi/show" -->]'
            . '[<!--#include virtual="/raw/show" -->]'
            . '[<!--#include virtual="/cgi/show" -->]',
        'ask/x.txt' => 'in' },
    conf => <<'CONF');
DRSession On
ScriptAlias /raw/ cgi/
<Location ~ "^/(raw|cgi|both)">
    DRSessionExport role
</Location>
<Location /raw>
    DRSessionCodec raw
</Location>
RewriteEngine On
RewriteCond expr "%{DRSESSION:n} == '1'"
RewriteRule ^/ask - [F]
<DirectoryMatch /docs/ask>
    DRSessionCodec rot
    Require drsession n 8
</DirectoryMatch>
CONF

my $jar = jar();
$httpd->drs({ jar => $jar }, 'set role "admin"');
is $httpd->get('/cgi/show', jar => $jar)->{body}, 'admin', 'as text';
is $httpd->get('/raw/show', jar => $jar)->{body}, '"admin"', 'as it is';
is $httpd->get('/both.shtml', jar => $jar)->{body},
    '[admin]["admin"][admin]', 'each part of a page as where it is alone';

# Text that is a number in both: 62, and 8 where it is masked.
$redis->cmd(HSET => 'drsession:' . $jar->id, 'n', '62');
is $httpd->get('/ask/x.txt', jar => $jar)->{status}, 200,
    'what a RewriteCond read is read anew where the codec is another';
error_log_is_clean($httpd);
done_testing;
