#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A session that is too old for a place is none there, also where the request
# came by a place for which it is young enough.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Time::HiRes qw(sleep);

needs(qw(include rewrite));

my $show = <<'SH';
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\nuser: %s' "$DRSESSION_user"
echo "${DRSESSION_KEY:+, and its key}"
SH
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, cgi => { show => $show, read => $show }, docs => {
    map({ ("$_/x.txt" => 'inside') } qw(strict/in in)),
    'page.shtml' => '<!--#include virtual="/in/x.txt" -->'
        . '<!--#include virtual="/strict/in/x.txt" -->' }, conf => <<'CONF');
DRSession On
DRSessionExport user
<LocationMatch "/in/|^/go|\.shtml$">
    Require drsession user
</LocationMatch>
<LocationMatch "^/(strict|cgi)/">
    DRSessionMaxLifetime 10min
</LocationMatch>
<Location /cgi/read>
    DRSession ReadOnly
    DRSessionChildAccess On
</Location>
<Location /drs/read>
    DRSession ReadOnly
    DRSessionMaxLifetime 10min
</Location>
<Location /go>
    RewriteEngine On
    RewriteRule in$ /strict/in/x.txt
    RewriteRule show$ /cgi/show
</Location>
CONF

# A session of a given age.
my $n = 0;
sub aged {
    my ($age) = @_;
    my $id = encode_base64url(
        pack('CN', 0, time - $age) . pack('a28', 'id ' . $n++));
    $redis->cmd('HSET', "drsession:$id", 'user', '"ann"');
    return $id;
}

# What a page says to it.
sub page {
    my ($path, $age) = @_;
    my $id = aged($age);
    my $r = $httpd->get($path, headers => [['Cookie', "drsession=$id"]]);
    return $r->{status} == 200 ? $r->{body} =~ s/\s+\z//r : $r->{status};
}
for my $path ('/strict/in/x.txt', '/go/in') {
    is page($path, 60), 'inside', "$path: young enough";
    is page($path, 3600), 403, 'too old';
}
for my $path ('/cgi/show', '/go/show') {
    is page($path, 60), 'user: ann', "$path: young enough";
    is page($path, 3600), 'user:', 'too old';
}
is page('/cgi/read', 60), 'user: ann, and its key', 'a program has the key';
is page('/cgi/read', 3600), 'user:', 'but not of one that is too old';
my $id = aged(3600);
$httpd->get('/cgi/read', headers => [['Cookie', "drsession=$id"]]);
sleep 0.1;
is $redis->cmd('HLEN', "drsession:$id"), 1, 'which nobody ends there';
is join(' ', $httpd->drs({ jar => jar(drsession => $id), path => '/drs/read' },
    'get user', 'id', 'key')), 'notfound notfound notfound',
    'where one may only read it has no id';
is $redis->cmd('HLEN', "drsession:$id"), 1, 'and lives on';
is page('/page.shtml', 60), 'insideinside', 'parts: young enough';
unlike page('/page.shtml', 3600), qr/insideinside/, 'too old for the second';
error_log_is_clean($httpd, qr/AH01630|unable to include/);
done_testing;
