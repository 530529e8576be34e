#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An error page is a page of its own: what failed before it is answered, in
# all its parts; what fails in it is no yes there either.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(include negotiation));

my $show = <<'SH';
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\nrole: %s\n' "$HTTP_X_ROLE"
SH
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, modules => ['negotiation'],
    cgi => { if => $show }, docs => {
        'sorry/page.shtml' => "<!--#include virtual=\"/sorry/top.txt\" -->\n",
        'sorry/top.txt'    => 'later',
        'sorry/index.html' => 'later',
        'sorry/page.var'   => "URI: top.txt\nContent-Type: text/plain\n\n",
        map { ("$_/x.txt" => 'x') } qw(parts index variants),
    }, conf => <<'CONF');
DRSession On
DirectoryIndex index.html
AddHandler type-map .var
<LocationMatch "^/(parts|index|variants|cgi)/">
    RequestHeader set X-Role admin "expr=%{DRSESSION:role} == 'admin'"
</LocationMatch>
<Location /parts>
    ErrorDocument 503 /sorry/page.shtml
</Location>
<Location /index>
    ErrorDocument 503 /sorry/
</Location>
<Location /variants>
    ErrorDocument 503 /sorry/page.var
</Location>
<Location /none>
    ErrorDocument 404 /cgi/if
</Location>
<Location /cgi/none>
    ErrorDocument 404 /cgi/if
</Location>
<Location /denied>
    SetEnvIfExpr "%{DRSESSION:role} == 'admin'" ADMIN
    Require all denied
    ErrorDocument 403 /cgi/if
</Location>
CONF
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set role "guest"');
is $httpd->get('/none/x', jar => $jar)->{body}, "role: \n",
    'a page that a program makes for what is not there';

$redis->stop;
for my $kind (qw(parts index variants)) {
    my $r = $httpd->get("/$kind/x.txt", jar => $jar);
    is $r->{status}, 503, "no answer is no yes ($kind)";
    is $r->{body} =~ s/\s+\z//r, 'later', 'and the error page is whole';
}
for my $path ('/none/x', '/cgi/none', '/denied/x') {
    unlike $httpd->get($path, jar => $jar)->{body}, qr/admin/,
        "nor is it one in an error page ($path)";
}
error_log_is_clean($httpd, qr/AH01501|Evaluation of expression|sessions are/,
    qr/AH02811|AH01264|AH01630|script not found/);
done_testing;
