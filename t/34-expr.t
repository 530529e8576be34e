#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The session in the configuration's own language: expressions, Require,
# rewrite maps and log items, from every phase; and that a Redis that is
# away never reads as "no such field".
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Digest::SHA qw(sha1_base64);
use MIME::Base64 qw(encode_base64);
use Test::More;

my @modules = qw(auth_basic authn_file authz_user);
needs(@modules, qw(headers rewrite include log_config));
my $redis = start_redis();
my %docs = ((map { ("$_/page.txt" => "in $_") } qw(any role team not if basic env
    both expr list lists reff raw dirs)), 'page.txt' => 'static',
    'ann.txt' => 'page of ann', 'none.txt' => 'page of nobody',
    'if.shtml' => '<!--#if expr="%{DRSESSION:user} == \'ann\'" -->yes'
        . '<!--#endif -->',
    'includes.shtml' => join '', map {
        '<!--#include virtual="/expr/page.txt" -->' } 1 .. 20);
my $conf = <<'CONF';
DRSession On
DRSessionIdle 1h
RewriteEngine On
RewriteMap s int:drsession
RewriteRule ^/mapped$ /${s:user|none}.txt [PT]
RewriteCond ${s:user} =ann
RewriteRule ^/cond$ /ann.txt [PT]
RewriteCond expr "%{DRSESSION:user} == 'ann'"
RewriteRule ^/exprcond$ /ann.txt [PT]
RewriteRule ^/(?:mapped|cond|exprcond)$ /none.txt [PT]
<Location /any>
    Require drsession user
</Location>
<Location /role>
    Require drsession role editor admin
</Location>
<Location /team>
    Require drsession teams %{QUERY_STRING}
</Location>
<Location /not>
    <RequireAll>
        Require all granted
        Require not drsession banned
    </RequireAll>
</Location>
<Location /basic>
    AuthType Basic
    AuthName basic
    AuthBasicProvider file
    AuthUserFile @DIR@/users
    Require drsession user
</Location>
<Location /env>
    AuthType Basic
    AuthName env
    AuthBasicProvider file
    AuthUserFile @DIR@/users
    Require user nobody
</Location>
<Location /both>
    AuthType Basic
    AuthName both
    AuthBasicProvider file
    AuthUserFile @DIR@/users
    <RequireAny>
        Require drsession user ann
        Require valid-user
    </RequireAny>
</Location>
<Location /expr>
    Require expr "%{DRSESSION:user} == 'ann' && drsession('n') -gt 3"
    Header always set X-User "expr=%{DRSESSION:user}"
</Location>
<Location /list>
    Require expr "'b' in drsessionlist('teams')"
</Location>
<Location /lists>
    Header set X-In "expr=%{tolower:YES}" "expr='b' in drsessionlist('teams') && drsession('user') == 'ann' && %{DRSESSION:user} == 'ann' && 'a' in drsessionlist('teams')"
</Location>
<If "%{REQUEST_URI} =~ m#^/if/# && %{DRSESSION:user} == 'ann'">
    Header set X-If yes
</If>
<Location /raw>
    DRSessionCodec raw
    Require drsession user '"ann"'
</Location>
<Directory @DIR@/docs/dirs>
    RewriteEngine On
    RewriteCond ${s:user} !=ann
    RewriteRule ^ - [F]
</Directory>
LogFormat "%U %>s [%^DS] [%{user}^DS] [%{n}^DS]" drs
CustomLog @DIR@/drs.log drs
ErrorLogFormat "[%t] [%-m:%l] [pid %P] [%S] %M"
CONF
my $httpd = start_httpd(redis => $redis, modules => \@modules,
    docs => \%docs, start => 0, conf => '');
sub complete { my ($h, $text) = @_; my $dir = $h->dir; $text =~ s/\@DIR\@/$dir/g; $text }
$httpd->{conf} = complete($httpd, $conf);
# Of the user "joe" with the password "joe".
$httpd->add('users', 'joe:{SHA}' . sha1_base64('joe') . "=\n");
chmod 0644, $httpd->dir . '/users';
$httpd->start;

my ($ann, $ben, $nobody) = (jar(), jar(), jar());
$httpd->drs({ jar => $ann }, 'set user "ann"', 'set role "admin"',
    'set teams ["a", "b", 3]', 'set n 4', 'set ctrl "a\nb"');
$httpd->drs({ jar => $ben }, 'set user "ben"', 'set role "reader"',
    'set banned true');
sub status { $httpd->get($_[0], jar => $_[1])->{status} }
sub body { $httpd->get($_[0], jar => $_[1])->{body} }

subtest 'require' => sub {
    for my $row (['/any', 200, 200, 403], ['/role', 200, 403, 403],
        ['/team/page.txt?b', 200, 403, 403], ['/team/page.txt?c', 403, 403, 403],
        ['/team/page.txt?3', 200, 403, 403], ['/team', 403, 403, 403],
        ['/team/page.txt?', 403, 403, 403], ['/not', 200, 403, 200],
        ['/basic', 200, 200, 401], ['/raw', 200, 403, 403]) {
        my ($path, @want) = @$row;
        $path .= '/page.txt' unless $path =~ /page/;
        is_deeply [map { status($path, $_) } $ann, $ben, $nobody], \@want,
            "$path: @want";
    }
    is_deeply [map { my $r = $httpd->get($_);
        ($r->{status}, !!header($r, 'WWW-Authenticate')) } '/basic/page.txt'],
        [map { my $r = $httpd->get($_);
        ($r->{status}, !!header($r, 'WWW-Authenticate')) } '/env/page.txt'],
        'a denial is that of httpd\'s own providers';
    like header($httpd->get('/basic/page.txt'), 'WWW-Authenticate') // '',
        qr/^Basic realm="basic"/, 'and asks for a login';
    my %joe = (Authorization => 'Basic ' . encode_base64('joe:joe', ''));
    is $httpd->get('/both/page.txt')->{status}, 401, 'a session or a login';
    is $httpd->get('/both/page.txt', headers => \%joe)->{status}, 200,
        'the login will do';
    is status('/both/page.txt', $ann), 200, 'so will the session';
};

subtest 'expressions' => sub {
    is_deeply [map { status('/expr/page.txt', $_) } $ann, $ben, $nobody],
        [200, 403, 403], 'Require expr';
    is header($httpd->get('/expr/page.txt', jar => $ann), 'X-User'), 'ann',
        'Header';
    is_deeply [map { status('/list/page.txt', $_) } $ann, $ben, $nobody],
        [200, 403, 403], 'a list';
    is header($httpd->get('/if/page.txt', jar => $ann), 'X-If'), 'yes', 'If';
    is header($httpd->get('/if/page.txt', jar => $ben), 'X-If'), undef,
        'or else not';
};

subtest 'rewrite' => sub {
    for my $path ('/mapped', '/cond', '/exprcond') {
        is body($path, $ann), 'page of ann', "$path with a session";
        is body($path, $nobody), 'page of nobody', "$path without";
    }
    is_deeply [map { status('/dirs/page.txt', $_) } $ann, $ben], [200, 403],
        'in a directory';
};

subtest 'round_trips' => sub {
    my $reads = sub {
        my ($path, $jar) = @_;
        return $redis->count_reads(sub { $httpd->get($path, jar => $jar) });
    };
    is $reads->($_, $nobody), 0, "$_ without a session: none"
        for '/any/page.txt', '/mapped', '/lists/page.txt', '/if/page.txt';
    is $reads->('/any/page.txt', $ann), 1, 'one field: one';
    is $reads->('/expr/page.txt', $ann), 2, 'two fields, three times: two';
    is $reads->('/lists/page.txt', $ann), 2, 'two fields, four times: two';
    is $reads->('/exprcond', $ann), 1, 'map and expression: one';
    is $reads->('/includes.shtml', $ann), 2, '20 includes that ask: two';
    my $r = $httpd->get('/any/page.txt', jar => $ann);
    like header($r, 'Vary'), qr/\bCookie\b/, 'the response varies';
    like header($r, 'Cache-Control'), qr/private/, 'and is private';
    is header($r, 'Set-Cookie'), undef, 'a lookup makes no cookie';
};

subtest 'logs' => sub {
    $httpd->get($_, jar => $ann) for '/expr/page.txt?a', '/page.txt?b';
    $httpd->get('/page.txt?c');
    my $log;
    wait_until(10, sub {
        $log = DRS::Httpd::slurp($httpd->dir . '/drs.log');
        $log =~ m{^/page\.txt 200 \[-\]}m });
    my ($name) = $log =~ m{^/expr/page\.txt 200 \[([0-9a-f]{16})\] \[ann\] \[4\]$}m;
    ok $name, 'a name, and the fields that were read' or diag $log;
    like $log, qr{^/page\.txt 200 \[$name\] \[-\] \[-\]$}m,
        'the same name on every request, nothing read for the log';
    like $log, qr{^/page\.txt 200 \[-\] \[-\] \[-\]$}m, 'none without session';
    my @ids = map { $_->id } $ann, $ben;
    unlike $log . $httpd->quiet_log, qr/$_/, 'no id in any log' for @ids;
    $httpd->drs({ jar => $ann }, 'set v "a\u0022b\\\\"');
    like $httpd->error_log, qr/authz_core.*\[[0-9a-f]{16}\]/,
        'the error log has the item, too';
};

# What evaluates expressions, from the first phase of a request to the last.
subtest 'every_phase' => sub {
    my ($redis, $ann) = (start_redis(), jar());
    my $httpd = start_httpd(redis => $redis, modules => \@modules,
        docs => \%docs, start => 0);
    $httpd->{conf} = complete($httpd, <<'CONF');
DRSession On
SetEnvIfExpr "%{REQUEST_URI} == '/page.txt' && %{DRSESSION:user} == 'ann'" ANN=yes
RewriteEngine On
RewriteMap s int:drsession
RewriteRule ^/away$ http://127.0.0.1/${s:user|nobody} [R]
<Location />
    Header always set X-Ann %{ANN}e env=ANN
</Location>
<Location /reff>
    Header set X-User "expr=[%{DRSESSION:user}]"
</Location>
<Location /moved>
    Redirect 302 "/%{DRSESSION:user}"
</Location>
<Location /any>
    Require all denied
    ErrorDocument 403 "not for %{DRSESSION:user}"
</Location>
<Location /role>
    Require expr "drsession('user') == 'ann'"
</Location>
CustomLog @DIR@/ann.log "%U" "expr=%{DRSESSION:user} == 'ann'"
CONF
    $httpd->start;
    $httpd->drs({ jar => $ann }, 'set user "ann"');
    my $get = sub { $httpd->get($_[0], jar => $ann) };
    is header($get->('/page.txt'), 'X-Ann'), 'yes', 'when it was read';
    like header($get->('/away'), 'Location'), qr{/ann\z}, 'translated';
    is $get->('/role/page.txt')->{status}, 200, 'authorized';
    like header($get->('/moved'), 'Location'), qr{/ann\z}, 'handled';
    is $get->('/any/page.txt')->{body}, 'not for ann', 'refused';
    is header($get->('/reff/page.txt'), 'X-User'), '[ann]', 'answered';
    is $redis->count_reads(sub { $get->('/any/page.txt') }), 1,
        'all phases of a request are one round trip';
    is $redis->count_reads(sub { $httpd->get('/page.txt') }), 0,
        'none without a session';
    ok wait_until(10, sub { DRS::Httpd::slurp($httpd->dir . '/ann.log')
        =~ m{^/any/page.txt$}m }), 'and logged';
    unlike DRS::Httpd::slurp($httpd->dir . '/ann.log'), qr{^/page.txt\n.*^/page.txt$}ms,
        'or not';
    $redis->stop;
    is $get->('/page.txt')->{status}, 503, 'Redis away: 503';
    is header($get->('/reff/page.txt'), 'X-User') // '', '',
        'a header stays empty';
    is $get->('/moved')->{status}, 500, 'a redirect to nowhere is an error';
    is $get->('/role/page.txt')->{status}, 500, 'so is an authorization';
    error_log_is_clean($httpd, qr/AH01630|AH02841|AH02557|failed: session field/,
        qr/session field 'user': |sessions are down: /);
    $httpd->stop;
};

subtest 'an_unfit_value_is_an_error' => sub {
    is_deeply [$httpd->conftest(complete($httpd, $conf))]->[0], 0, 'good';
    my $bad = start_httpd(redis => $redis, modules => \@modules,
        docs => \%docs, conf => <<'CONF');
DRSession On
<Location /any>
    Require drsession ctrl
</Location>
<Location /role>
    Require drsession ctrl x
</Location>
<Location /team>
    Require drsession %{QUERY_STRING}
</Location>
<Location /if>
    Require expr "%{DRSESSION:ctrl} == 'x'"
</Location>
<Location /not>
    DRSession Off
    <RequireAll>
        Require all granted
        Require not drsession banned
    </RequireAll>
</Location>
<Location /expr>
    DRSession Off
    Require expr "! -n %{DRSESSION:banned}"
</Location>
CONF
    is $bad->get("/$_/page.txt", jar => $ann)->{status}, 500, "/$_"
        for qw(role team if not expr);
    is $bad->get('/any/page.txt', jar => $ann)->{status}, 200,
        'that it is there can be told of any field';
    like $bad->error_log, qr/field 'ctrl': the value has a control char/, 'why';
    like $bad->error_log, qr/field 'banned': DRSession is Off here/, 'and why';
    error_log_is_clean($bad, qr/control char|DRSession is Off here/,
        qr/field '': /);
    $bad->stop;
};

subtest 'httpd_t_refuses' => sub {
    for my $row (['Require drsession', qr/Require drsession: a field is miss/],
        ["Require expr \"drsession('') == 'x'\"", qr/drsession: a field name/],
        ["Require expr \"'x' in drsessionlist('" . 'x' x 256 . "')\"",
            qr/drsessionlist: a field name/],
        ["Require expr \"drsession('a', 'b') == 'x'\"", qr/syntax error/],
        ['Require drsession %{nosuch:x}', qr/Require drsession: .*nosuch/]) {
        my ($line, $want) = @$row;
        my ($code, $said) = $httpd->conftest(
            "<Location /x>\n$line\n</Location>\n");
        isnt $code, 0, substr $line, 0, 60;
        like $said, $want, 'with the reason';
    }
    my $r = $httpd->get('/if.shtml', jar => $ann);
    unlike $r->{body}, qr/yes/, 'a restricted context may not look';
    like $httpd->error_log, qr/not available in a restricted context/, 'why';
};

subtest 'redis_away_is_never_a_decision' => sub {
    $redis->stop;
    is status("/$_/page.txt", $ann), 500, "/$_ is an error"
        for qw(any role not basic both expr list);
    is status($_, $ann), 503, "$_ is an error"
        for '/mapped', '/cond', '/exprcond', '/if/page.txt';
    is status('/dirs/page.txt', $ann), 403, 'a rule that forbids may forbid';
    is status('/page.txt', $ann), 200, 'static pages are fine';
    is status('/not/page.txt', $nobody), 200, 'so is having no session';
    $redis->start;
    $redis->cmd('SET', 'drsession:' . $ben->id, 'x');
    wait_until(3, sub { status('/any/page.txt', $nobody) == 403 });
    ok wait_until(4, sub { status('/mapped', $ben) == 500 }), 'a wrong type, too';
};

error_log_is_clean($httpd, qr/authz_core:|drsession:|restricted|AH02557|session field 'user': /);
done_testing;
