#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# One session a request, whatever httpd makes of the request: a hundred
# streams of one HTTP/2 connection never mix, and subrequests, internal
# redirects, error documents and rewriting loops are one session with one
# Set-Cookie, asked for once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Backend;
use DRS::H2;
use IO::Socket::INET;
use Test::More;

my @modules = qw(proxy proxy_http actions negotiation auth_basic authn_file
    authz_user);
needs(qw(headers include rewrite), @modules);
my $redis   = start_redis();
my $backend = DRS::Backend->new;
our ($httpd, $jar, $h2);

# A program that shows our variables and says header lines; the query is
# percent-encoded lines of them.
my $program = <<'CGI';
#!/usr/bin/perl
my $spec = $ENV{QUERY_STRING};
$spec =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
print "Content-Type: text/plain\r\n", map({ "$_\r\n" } split /\n/, $spec),
    "\r\n", map { "$_=$ENV{$_}\n" } grep { /DRSESSION_/ } sort keys %ENV;
CGI
my $writer = <<'CGI';
#!/bin/sh
printf 'Content-Type: text/plain\r\nDRSession: incr n 1\r\n\r\n'
env | sed -n '/^[A-Z_]*DRSESSION_/p'
CGI

# Sessions by number, put there as another program would.
sub id_of { return sprintf 'S%042d', $_[0] }
sub put_sessions {
    my ($n) = @_;
    $redis->cmd('DEL', 'drsession:' . id_of($_)),
    $redis->cmd('HSET', 'drsession:' . id_of($_), 'tag', "\"t$_\"", 'n', 0)
        for 0 .. $n - 1;
}
sub field { return $redis->cmd('HGET', 'drsession:' . id_of($_[0]), $_[1]) }
sub cookie { return ['cookie', 'drsession=' . id_of($_[0])] }
sub cookies_of { my @c = headers($_[0], 'Set-Cookie'); return @c }

# Ways to a session: a request for the one of a number, and what is wrong
# with its answer.
my %h2_door = (
    'the C API' => sub {
        my ($i) = @_;
        return ({ method => 'POST', path => '/drs',
            body => "get tag\nincr n 1\nid\n" },
            sub { $_[0] =~ /\Aok "t$i"\nok \d+\nok @{[id_of($i)]}\n\z/ });
    },
    'REST' => sub {
        my ($i) = @_;
        return ({ path => '/session/tag' }, sub { $_[0] =~ /\A"t$i"\n?\z/ });
    },
    'a counter by REST' => sub {
        return ({ method => 'POST', path => '/session/n?incr=1' },
            sub { $_[0] =~ /\A\d+\n?\z/ });
    },
    'exported variables' => sub {
        my ($i) = @_;
        return ({ path => '/tag.shtml' }, sub { $_[0] eq "[t$i][live]" });
    },
    'a forwarded header' => sub {
        my ($i) = @_;
        return ({ path => '/back/echo' },
            sub { $_[0] =~ /^X-Tag: t$i\r$/mi && $_[0] !~ /X-Tag: (?!t$i\r)/i });
    },
    'a response header' => sub {
        my ($i) = @_;
        return ({ path => '/back/x?' . pct("DRSession: incr n 1, set by $i") },
            sub { $_[0] eq 'ofthebackend' });
    },
    'an expression' => sub {
        my ($i) = @_;
        return ({ path => '/expr.txt' },
            sub { header($_[1], 'X-Of') eq "t$i" });
    },
);
my @h2_doors = sort keys %h2_door;
my %writes = map { $_ => 1 } 'the C API', 'a counter by REST',
    'a response header';

my $h2_conf = <<"CONF";
Protocols h2c http/1.1
DRSession On
DRSessionTimeout command=5s request=10s
DRSessionIdle 1h
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Files tag.shtml>
    DRSessionExport tag
</Files>
<Files expr.txt>
    Header set X-Of "expr=%{DRSESSION:tag}"
</Files>
ProxyPass /back @{[$backend->url('http')]}
<Location /back>
    DRSessionHeader On
    DRSessionForward tag X-Tag
</Location>
CONF
my %h2_docs = ('expr.txt' => 'x', 'tag.shtml' =>
    '[<!--#echo encoding="none" var="DRSESSION_tag" -->]'
    . '[<!--#echo encoding="none" var="DRSESSION_STATUS" -->]');

sub a_hundred_streams_never_mix {
    is $h2->streams, 100, 'the server allows as many';
    put_sessions(100);
    my ($mixed, $failed, $cookies, @count) = (0, 0, 0, (0) x 100);
    for my $round (0 .. 6) {
        my (@requests, @right);
        for my $i (0 .. 99) {
            my $door = $h2_doors[($i + $round) % @h2_doors];
            my ($request, $right) = $h2_door{$door}->($i);
            $count[$i]++ if $writes{$door};
            push @requests, { %$request, headers => [cookie($i)] };
            push @right, $right;
        }
        # All of them wait for Redis at the same time.
        $redis->cmd('CLIENT', 'PAUSE', 50, 'ALL') if $round % 2;
        my @answers = $h2->round(@requests);
        for my $i (0 .. 99) {
            my $answer = $answers[$i];
            $cookies++ if cookies_of($answer);
            if ($answer->{status} != 200) {
                diag "$requests[$i]{path}: $answer->{status} $answer->{body}"
                    if !$failed++;
            }
            elsif (!$right[$i]->($answer->{body}, $answer)) {
                diag "$requests[$i]{path} of $i: $answer->{body}" if !$mixed++;
            }
        }
    }
    is $failed, 0, 'each of 700 is answered';
    is $mixed, 0, 'with what is of its own session';
    is $cookies, 0, 'and no new cookie';
    my @wrong = grep { field($_, 'n') != $count[$_] } 0 .. 99;
    is "@wrong", '', 'each counter has what was added to it';
    @wrong = grep { (field($_, 'by') // -1) != $_ } 0 .. 99;
    is "@wrong", '', 'each field is in its own session';
}

sub births_on_streams_at_once {
    my @answers = $h2->round(map { { method => 'POST', path => '/drs',
        body => "set tag \"new$_\"\nid\n" } } 0 .. 99);
    my (%ids, $wrong);
    for my $i (0 .. 99) {
        my @cookies = cookies_of($answers[$i]);
        my ($id) = @cookies == 1 ? $cookies[0] =~ /\Adrsession=([^;]+)/ : ();
        $wrong++, next if !defined $id || $answers[$i]{body} ne "ok\nok $id\n";
        $wrong++ if $redis->cmd('HGET', "drsession:$id", 'tag') ne "\"new$i\"";
        $ids{$id} = 1;
    }
    is $wrong, undef, 'each has one cookie, of the session it wrote';
    is scalar(keys %ids), 100, 'no two the same';
}

sub cookie_crumbs {
    put_sessions(2);
    my $get = sub {
        my @lines = map { ['cookie', $_] } @_;
        my ($r) = $h2->round({ method => 'POST', path => '/drs',
            body => "get tag\n", headers => \@lines });
        return $r->{body};
    };
    my ($one, $two) = map { 'drsession=' . id_of($_) } 0, 1;
    is $get->('a=1', $one, 'b=2'), "ok \"t0\"\n", 'among others';
    is $get->($one, $one), "ok \"t0\"\n", 'twice the same';
    is $get->($one, $two), "notfound\n", 'two that differ are no session';
    is $get->('drsession=', $one), "notfound\n", 'nor an empty one and another';
    is $get->("x=$one"), "notfound\n", 'nor one inside a value';
    is $get->("$one; a=1", 'b=2'), "ok \"t0\"\n", 'one of two in a crumb';
}

sub a_session_that_ends_while_others_go_on {
    for my $end ('destroy', 'regenerate') {
        put_sessions(2);
        my @requests = map { { method => 'POST', path => '/drs',
            body => $_ == 20 ? "$end\n" : "get tag\nincr n 1\n",
            headers => [cookie($_ % 2)] } } 0 .. 99;
        my @answers = $h2->round(@requests);
        my @other = grep { $_ % 2 } 0 .. 99;
        is scalar(grep { $answers[$_]{body} !~ /\Aok "t1"\nok \d+\n\z/
            || cookies_of($answers[$_]) } @other), 0,
            "$end: the other session does not notice";
        is field(1, 'n'), 50, 'and loses nothing';
        is $answers[20]{body}, "ok\n", 'one stream ends the session';
        is scalar(cookies_of($answers[20])), 1, 'and says so to its client';
        is $redis->cmd('EXISTS', 'drsession:' . id_of(0)), 0,
            'no stream brings it back';
        # Either before the end, after it as a new one, or in between.
        my @odd = grep { $answers[$_]{body} !~ /\A(?:ok\ "t0"\n(?:ok\ \d+|gone)
            |notfound\nok\ 1)\n\z/x } grep { $_ % 2 == 0 && $_ != 20 } 0 .. 99;
        is "@odd", '', 'each stream of it sees it or its end'
            or diag $answers[$odd[0]]{body};
        my @mute = grep { $answers[$_]{body} =~ /\Anotfound/
            && cookies_of($answers[$_]) != 1 } 0 .. 99;
        is "@mute", '', 'one that begins another has its cookie';
    }
}

# Longer than the wait for a connection, for more streams than threads.
sub more_streams_than_connections {
    put_sessions(100);
    $redis->cmd('CLIENT', 'PAUSE', 600, 'ALL');
    my @answers = $h2->round(map { { method => 'POST', path => '/drs',
        body => "get tag\n", headers => [cookie($_)] } } 0 .. 99);
    my @wrong = grep { $answers[$_]{body} ne "ok \"t$_\"\n" } 0 .. 99;
    is scalar(@wrong), 0, 'all wait for a Redis that is slow'
        or diag $answers[$wrong[0]]{body};
}

sub a_stream_of_a_backend_streams {
    put_sessions(1);
    my $gate = $httpd->dir . '/run/gate';
    my $path = '/back/gate?' . pct("X-Gate: $gate\nDRSession: incr n 1");
    unlink $gate;
    my ($r) = $h2->round({ path => $path, headers => [cookie(0)],
        touch => $gate });
    is $r->{first}, 'first', 'the first bytes do not wait for the last';
    is $r->{body}, 'firstlast', 'which come too';
    is header($r, 'DRSession'), undef, 'the header is not shown';
    is field(0, 'n'), 1, 'it is done, once';
    unlink $gate;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $httpd->port) or die "connect: $!";
    print {$socket} "GET $path HTTP/1.1\r\nHost: h\r\nConnection: close\r\n",
        'Cookie: drsession=', id_of(0), "\r\n\r\n";
    my $text = '';
    while ($text !~ /first/ && sysread $socket, $text, 4096, length $text) { }
    is field(0, 'n'), 2, 'HTTP/1.1: done before the first byte';
    unlike $text, qr/last|late|DRSession:/, 'which does not wait for the last';
    $httpd->add('run/gate', '');
    1 while sysread $socket, $text, 4096, length $text;
    like $text, qr/last/, 'which comes too';
}

# Between two httpds: here header lines are frames, and lower case.
sub a_backend_of_http_2 {
    plan skip_all => 'no mod_proxy_http2 here'
        unless -e DRS::Httpd::libexec() . '/mod_proxy_http2.so';
    my $behind = DRS::Httpd->new(plain => 1, modules => ['http2'],
        cgi => { says => $program, env => "#!/bin/sh\n"
            . "printf 'Content-Type: text/plain\\r\\n\\r\\n'; env\n" },
        conf => "Protocols h2c http/1.1\n");
    local $httpd = start_httpd(redis => $redis,
        modules => [@modules, qw(http2 proxy_http2)], conf => <<"CONF");
DRSession On
ProxyPass /back h2c://127.0.0.1:@{[$behind->port]}/cgi
<Location /back>
    DRSessionHeader On
    DRSessionForward by X-By
</Location>
CONF
    local $jar = jar();
    my $say = sub { $httpd->get('/back/says?' . pct(join "\n", @_),
        jar => $jar) };
    my $r = $say->('DRSession: set by "a, b"', 'DRSession: incr n 1, incr n 1');
    is $r->{status}, 200, 'two lines';
    is header($r, 'DRSession'), undef, 'are not shown';
    is scalar(cookies_of($r)), 1, 'one cookie';
    is $httpd->drs({ jar => $jar }, 'all'), 'ok {"by":"a, b","n":2}', 'done';
    $r = $httpd->get('/back/env', jar => $jar,
        headers => [['X_By', 'evil'], ['X-By', 'evil']]);
    like $r->{body}, qr/^HTTP_X_BY=a, b$/m, 'a field is forwarded';
    unlike $r->{body}, qr/evil/, 'and nothing else';
    is $say->('DRSession: nonsense')->{status}, 502, 'a malformed one is 502';
    error_log_is_clean($httpd, qr/response header DRSession is malformed/);
    $_->stop for $httpd, $behind;
}

sub http_2 {
    my ($mpm) = @_;
    plan skip_all => 'no mod_http2 here'
        unless -e DRS::Httpd::libexec() . '/mod_http2.so';
    my $missing = DRS::H2::missing();
    plan skip_all => $missing if $missing;
    local $httpd = start_httpd(redis => $redis, mpm => $mpm, servers => 1,
        modules => [@modules, 'http2'], docs => \%h2_docs, conf => $h2_conf);
    local $h2 = DRS::H2->new($httpd->port);
    no strict 'refs';
    subtest $_ => \&{"main::$_"}
        for qw(a_hundred_streams_never_mix births_on_streams_at_once
        cookie_crumbs a_session_that_ends_while_others_go_on
        more_streams_than_connections a_stream_of_a_backend_streams);
    undef $h2;
    error_log_is_clean($httpd);
    $httpd->stop;
    subtest a_backend_of_http_2 => \&a_backend_of_http_2 if $mpm eq 'event';
}

# What one page, or one error, or one loop of rewriting makes: pages that
# show [user status] and programs that show their variables.
my $seen = '[<!--#echo encoding="none" var="DRSESSION_user" -->'
    . ' <!--#echo encoding="none" var="DRSESSION_STATUS" -->]';
sub include { return join '', map { "<!--#include virtual=\"$_\" -->" } @_ }
my %docs = (
    'users' => "ann:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=\n",
    'part.shtml' => $seen,
    'read.shtml' => include(map { ("/part.shtml", '/cgi/show') } 1 .. 10),
    'rest.shtml' => include(map { ('/part.shtml', '/cgi/show', '/session/user',
        '/session/n') } 1 .. 5),
    'write.shtml' => include(('/cgi/write') x 20),
    'late.shtml' => include('/cgi/write', '/cgi/write'),
    'mixed.shtml' => include(map { ('/part.shtml', '/cgi/write',
        '/session/n', '/cgi/live') } 1 .. 5),
    'deep1.shtml' => $seen . include('/deep2.shtml', '/deep2.shtml'),
    'deep2.shtml' => $seen . include('/deep3.shtml', '/cgi/write'),
    'deep3.shtml' => $seen . include('/cgi/write', '/alias/x', '/loop/1'),
    'members/page.shtml' => $seen . include('/members/part.shtml'),
    'members/part.shtml' => $seen,
    'dir/index.shtml' => $seen,
    'dir/last.txt' => 'last',
    'live/other.txt' => 'other',
    'fall/here.txt' => 'here',
    'views/page.shtml.en' => "en$seen",
    'views/page.shtml.de' => "de$seen",
    'views/map.var' => "URI: part\n\nURI: page.shtml.de\n"
        . "Content-type: text/html\nContent-language: de\n\n"
        . "URI: page.shtml.en\nContent-type: text/html\n"
        . "Content-language: en\n",
    'acted/page.act' => 'never shown',
);
my $page_conf = <<"CONF";
DRSession On
DRSessionIdle 1h
DRSessionHeader On
ScriptAlias /denied/ cgi/
ScriptAlias /login/ cgi/
<LocationMatch "^/(?:cgi|denied|login|read|rest|mixed|part|deep|members|dir|fall|views|acted|loop)">
    DRSessionExport user
</LocationMatch>
<LocationMatch "^/(?:cgi/live|(?:write|mixed|deep1)\.shtml)">
    DRSessionChildAccess On
</LocationMatch>
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
</Location>
<Location /members>
    Require drsession user
</Location>
<Location /login>
    AuthType Basic
    AuthName x
    AuthBasicProvider file
    AuthUserFile \@DIR\@/docs/users
    Require valid-user
</Location>
<Location /denied>
    Require all denied
</Location>
<LocationMatch "^/gone">
    Redirect 410
</LocationMatch>
<LocationMatch "^/fails">
    Redirect 500
</LocationMatch>
ErrorDocument 401 /cgi/write
ErrorDocument 403 /cgi/write
ErrorDocument 404 /cgi/write
ErrorDocument 410 /cgi/write
ErrorDocument 500 /cgi/write
AliasMatch "^/alias/.*" "\@DIR\@/docs/part.shtml"
<Directory \@DIR\@/docs/dir>
    DirectoryIndex none.html nothing.cgi none/ index.shtml last.txt
</Directory>
<Directory \@DIR\@/docs/live>
    DirectoryIndex none.html nothing.cgi /cgi/live
</Directory>
<Directory \@DIR\@/docs/fall>
    FallbackResource /cgi/write
</Directory>
<Directory \@DIR\@/docs/views>
    Options +MultiViews
    AddLanguage en .en
    AddLanguage de .de
    AddHandler type-map .var
</Directory>
<Directory \@DIR\@/docs/acted>
    Action act /cgi/write
    AddHandler act .act
</Directory>
<Directory \@DIR\@/docs/loop>
    RewriteEngine On
    RewriteBase /loop/
    RewriteCond "\${s:user}" "=eve"
    RewriteRule "^7\$" /part.shtml [L]
    RewriteRule "^([1-7])\$" "go/\$1x" [L]
    RewriteRule "^go/(\\d)x\$" "go/\$1xx" [L]
    RewriteRule "^go/\\dxx\$" /cgi/write [L]
    RewriteRule "^end\$" /cgi/write [END]
    RewriteRule "^live\$" /cgi/live [L]
    RewriteCond expr "%{DRSESSION:user} == 'ann'"
    RewriteRule "^expr\$" /cgi/write [END]
    RewriteRule "^proxy\$" "@{[$backend->url('http')]}/echo" [P]
    RewriteRule "^said\$" "@{[$backend->url('http')]}/x" [P]
    RewriteRule "^round(.*)" "round\$1x" [L]
</Directory>
<Location /loop/proxy>
    DRSessionForward user X-User
</Location>
RewriteEngine On
RewriteMap s int:drsession
RewriteRule ^/top\$ /cgi/write [PT]
CONF

sub start_pages {
    my ($mpm) = @_;
    my $h = DRS::Httpd->new(redis => $redis, mpm => $mpm, servers => 1,
        modules => \@modules, docs => { %docs, 'loop/none' => '' },
        cgi => { show => $program, write => $writer, live => $writer },
        start => 0);
    $h->{conf} = $page_conf =~ s/\@DIR\@/$h->{dir}/gr;
    $h->start;
    return $h;
}

sub key { return 'drsession:' . $jar->id }
sub value { return $redis->cmd('HGET', key(), $_[0]) }

# Ask for a page and count: the answer, how often Redis was handed bytes, and
# how many cookies of ours came.
sub look {
    my ($path, %opt) = @_;
    my $r;
    my $reads = $redis->count_reads(sub {
        $r = $httpd->get($path, jar => $jar, %opt);
    });
    my @cookies = grep { /^drsession=/ } headers($r, 'Set-Cookie');
    return ($r, $reads, scalar @cookies);
}

# Someone who has a session, and someone who has none.
sub member {
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set user "ann"', 'set n 0');
    return $jar;
}

sub twenty_includes_read {
    local $jar = member();
    my ($r, $reads, $cookies) = look('/read.shtml');
    is scalar(() = $r->{body} =~ /\[ann live\]/g), 10, 'ten pages see it';
    is scalar(() = $r->{body} =~ /^DRSESSION_user=ann$/mg), 10,
        'ten programs too';
    is $reads, 1, 'one round trip';
    is $cookies, 0, 'no cookie';
    ($r, $reads) = look('/rest.shtml');
    is scalar(() = $r->{body} =~ /"ann"/g), 5, 'with REST among them';
    is $reads, 11, 'one round trip, and one for each question by REST';
    $jar = jar();
    ($r, $reads, $cookies) = look('/read.shtml');
    is scalar(() = $r->{body} =~ /\[\(none\) none\]/g), 10,
        'without a session nobody sees one';
    is "$reads $cookies", '0 0', 'at no cost';
}

sub twenty_includes_write {
    local $jar = jar();
    my ($r, $reads, $cookies) = look('/write.shtml');
    is $cookies, 1, 'a visitor gets one cookie';
    is value('n'), 20, 'of one session that has all writes';
    is $redis->cmd('DBSIZE'), 1, 'and there is no other';
    ($r, $reads, $cookies) = look('/write.shtml');
    is $cookies, 0, 'no other one later';
    is value('n'), 40, 'the same session';
    $jar = jar();
    ($r, $reads, $cookies) = look('/mixed.shtml');
    is $cookies, 1, 'of pages, programs and REST: one cookie';
    is value('n'), 10, 'one session';
    # mod_include sends the headers of the page before it runs a part.
    $jar = jar();
    ($r, $reads, $cookies) = look('/late.shtml');
    is $cookies, 0, 'where only the parts write no cookie can be sent';
    unlike $r->{body}, qr/DRSESSION_/, 'so the parts fail';
    is $redis->cmd('DBSIZE'), 2, 'and nothing is written';
    $jar = member();
    ($r, $reads, $cookies) = look('/late.shtml');
    is value('n'), 2, 'but to a session that is there';
}

sub nested_subrequests {
    local $jar = jar();
    my ($r, $reads, $cookies) = look('/deep1.shtml');
    is $cookies, 1, 'a visitor gets one cookie';
    is value('n'), 6, 'what is four deep writes to one session';
    $jar = member();
    ($r, $reads, $cookies) = look('/deep1.shtml');
    is scalar(() = $r->{body} =~ /\[ann live\]/g), 7, 'all see the field';
    is $cookies, 0, 'no cookie';
    is value('n'), 6, 'the same session';
}

sub error_documents {
    my %status = ('/login/x' => 401, '/denied/x' => 403, '/no/such' => 404,
        '/gone' => 410, '/fails' => 500, '/members/page.shtml' => 403);
    for my $path (sort keys %status) {
        local $jar = jar();
        my ($r, $reads, $cookies) = look($path);
        is $r->{status}, $status{$path}, "$path: $status{$path}";
        is $cookies, 1, 'the error page writes and sends one cookie';
        is value('n'), 1, 'of the session it wrote';
        is header($r, 'DRSession'), undef, 'its header is not shown';
        ($r, $reads, $cookies) = look($path);
        is $cookies, 0, 'no second one';
        is value('n'), 2, 'the same session';
        $httpd->drs({ jar => $jar }, 'set user "ann"');
        next if $path =~ /members/;
        ($r, $reads) = look($path);
        like $r->{body}, qr/^DRSESSION_user=ann$/m, 'it sees the field';
        like $r->{body}, qr/^DRSESSION_STATUS=live$/m, 'and the status';
        is $reads, 2, 'one round trip to read, one to write';
    }
}

# What is configured is looked up before fixups, what is exported in them.
sub require_and_export {
    local $jar = member();
    my ($r, $reads, $cookies) = look('/members/page.shtml');
    is $r->{body}, '[ann live][ann live]', 'a page and its part';
    is $reads, 2, 'one round trip to require, one to export';
    is $cookies, 0, 'no cookie';
    $httpd->drs({ jar => $jar }, 'del user');
    is +(look('/members/page.shtml'))[0]{status}, 403, 'or it is denied';
}

sub directories {
    local $jar = member();
    my ($r, $reads, $cookies) = look('/dir/');
    is $r->{body}, '[ann live]', 'the fourth candidate of DirectoryIndex';
    is "$reads $cookies", '1 0', 'one round trip';
    ($r, $reads, $cookies) = look('/dir');
    is $r->{status}, 301, 'a slash is missing';
    is $cookies, 0, 'no cookie';
    cmp_ok $reads, '<=', 1, 'and one round trip at most';
    ($r, $reads, $cookies) = look('/fall/anything');
    like $r->{body}, qr/^DRSESSION_user=ann$/m, 'FallbackResource';
    is "$reads $cookies", '2 0', 'one round trip to read, one to write';
    $jar = jar();
    is +(look('/fall/anything'))[2], 1, 'a visitor gets one cookie';
}

# Child access that is reached by a detour: the key of the cookie, once.
sub the_key_arrives {
    for my $path (qw(/cgi/live /live/ /loop/live)) {
        local $jar = jar();
        my ($r, $reads, $cookies) = look($path);
        is $cookies, 1, "$path: a visitor gets one cookie";
        like $r->{body}, qr/^DRSESSION_KEY=\Q@{[key()]}\E$/m,
            'and its program that key';
        is value('n'), 1, 'of the session that it wrote';
        ($r, $reads, $cookies) = look($path);
        is $cookies, 0, 'no other cookie';
        like $r->{body}, qr/^DRSESSION_KEY=\Q@{[key()]}\E$/m, 'the same key';
        is value('n'), 2, 'the same session';
    }
}

sub negotiated_and_acted {
    local $jar = member();
    for my $path ('/views/page', '/views/map.var') {
        for my $language (qw(de en)) {
            my ($r, $reads, $cookies) = look($path,
                headers => { 'Accept-Language' => $language });
            is $r->{body}, "${language}[ann live]", "$path in $language";
            is "$reads $cookies", '1 0', 'one round trip';
            like header($r, 'Vary'), qr/Cookie/i, 'Vary has the cookie';
            like header($r, 'Vary'), qr/accept-language/i, 'and the language';
        }
    }
    my ($r, $reads, $cookies) = look('/acted/page.act');
    like $r->{body}, qr/^DRSESSION_user=ann$/m, 'Action';
    like $r->{body}, qr/^DRSESSION_STATUS=live$/m, 'with the status';
    is "$reads $cookies", '2 0', 'one round trip to read, one to write';
    is value('n'), 1, 'its program writes';
    $jar = jar();
    is +(look('/acted/page.act'))[2], 1, 'a visitor gets one cookie';
}

sub rewriting {
    for my $path (qw(/loop/1 /loop/end /top)) {
        local $jar = member();
        my ($r, $reads, $cookies) = look($path);
        like $r->{body}, qr/^DRSESSION_user=ann$/m, "$path: the field";
        like $r->{body}, qr/^DRSESSION_STATUS=live$/m, 'the status';
        is value('n'), 1, 'written once';
        cmp_ok $reads, '<=', 3, 'at most one round trip to map, one to read '
            . 'and one to write';
        $jar = jar();
        ($r, $reads, $cookies) = look($path);
        is $cookies, 1, 'a visitor gets one cookie';
        is value('n'), 1, 'of one session';
        is $reads, 1, 'by one round trip';
    }
    local $jar = member();
    my ($r) = look('/loop/expr');
    like $r->{body}, qr/^DRSESSION_user=ann$/m, 'a condition per directory';
    $httpd->drs({ jar => $jar }, 'set user "eve"');
    is +(look('/loop/7'))[0]{body}, '[eve live]', 'a map per directory';
    ($r) = look('/loop/proxy');
    like $r->{body}, qr/^X-User: eve\r$/m, '[P] with a forwarded header';
    ($r) = look('/loop/said?' . pct('DRSession: incr n 5'));
    is $r->{body}, 'ofthebackend', '[P] with a response header';
    is value('n'), 6, 'which is done';
}

sub a_loop_that_does_not_end {
    local $jar = member();
    my ($r, $reads, $cookies) = look('/loop/round');
    is $r->{status}, 500, 'is ended by httpd';
    is $cookies, 0, 'no cookie';
    cmp_ok $reads, '<=', 3, 'and few round trips';
    $jar = jar();
    ($r, $reads, $cookies) = look('/loop/round');
    is $r->{status}, 500, 'a visitor too';
    cmp_ok $cookies, '<=', 1, 'has one cookie at most';
}

sub pages {
    my ($mpm) = @_;
    $redis->cmd('FLUSHALL');
    local $httpd = start_pages($mpm);
    no strict 'refs';
    subtest $_ => sub { $redis->cmd('FLUSHALL'); &{"main::$_"}() }
        for qw(twenty_includes_read twenty_includes_write nested_subrequests
        error_documents require_and_export directories the_key_arrives
        negotiated_and_acted rewriting a_loop_that_does_not_end);
    error_log_is_clean($httpd,
        qr{/cgi/write: .*DRSession failed: .*headers are already out},
        qr/AH00124: Request exceeded the limit/,
        qr/AH01630|AH01276|AH00128/);
    $httpd->stop;
}

subtest "pages_under_$_" => sub { pages($_) } for qw(prefork worker event);
subtest "http_2_under_$_" => sub { http_2($_) } for qw(event worker);
done_testing;
