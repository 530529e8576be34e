# SPDX-License-Identifier: MIT
# Raw HTTP requests, changed by dice, against a real httpd and a real Redis:
# cookies, paths and bodies of the handler, exported and forwarded fields,
# DRSession headers of a backend. Nothing may end a child, nothing may be
# said by a sanitizer, and Redis itself refuses to let any command touch a
# key that is not the prefix and an id.
package Live;
use strict;
use warnings;
use DRS;
use DRS::Backend;
use DRS::Proc;
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

my $letter = '[A-Za-z0-9_-]';
my $batch  = 12;     # requests on one connection, which many of them end
my $turn   = 20_000; # requests between two looks at the keys

my $conf = <<'CONF';
LogLevel notice drsession:crit proxy:crit proxy_http:crit
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=20s command=20s request=60s
DRSessionPool wait=20s
DRSessionLimit value=2000 fields=20
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /part>
    SetHandler drsession
    DRSessionAllow read a
    DRSessionAllow write a n
    DRSessionMaxLifetime 1d
</Location>
<Location /page>
    DRSessionExport a b
    Header set X-A "expr=%{DRSESSION:a}"
</Location>
<Location /asked>
    Require drsession a 1 2
</Location>
<Location /back>
    DRSessionHeader On
    DRSessionForward a X-Session-A
</Location>
CONF

my @ops = ('set a {"x":[1,2]}', 'add b "c,d"', 'incr n 5', 'delete a',
    'update {"a":null,"b":1}', 'regenerate', 'destroy', 'set "q r" 1');
my @words = ('drsession=', ';', '; ', ',', '"', '\\', '%00', '%0d%0a', '%2F',
    '..', '/', '?', '&', '=', '{', '}', '[', ']', 'null', '\\ud800', "\xff",
    "\xc3\xa4", '-1', '9223372036854775807', '1e999', 'drsession:*', ' ',
    "\t", 'x' x 300, '__Host-');

# A request as parts; the lines of headers are one text.
my @plain = (
    [ 'GET', '/session/', '', '' ],
    [ 'GET', '/session/a', '', '' ],
    [ 'HEAD', '/part/a', '', '' ],
    [ 'PUT', '/session/a', '', '{"x":[1,2,"\u00e4"]}' ],
    [ 'PUT', '/session/b?add', '', 'true' ],
    [ 'PUT', '/part/q%20r', "Sec-Fetch-Site: same-origin\n", '"text"' ],
    [ 'PATCH', '/session/', '', '{"a":1,"b":null,"n":2}' ],
    [ 'PATCH', '/part/', "Origin: http://other\n", '{"a":1,"n":7}' ],
    [ 'POST', '/session/n?incr=3', '', '' ],
    [ 'POST', '/session/a?pop', '', '' ],
    [ 'POST', '/session/?regenerate', '', '' ],
    [ 'DELETE', '/session/a', '', '' ],
    [ 'DELETE', '/session/', '', '' ],
    [ 'GET', '/page/x.txt', "X-Session-A: root\n", '' ],
    [ 'GET', '/asked/x.txt', '', '' ],
    [ 'GET', '/back/echo?', "X_Session.A: a\nConnection: X-Session-A\n", '' ],
    ([ 'GET', '/back/x?', '', '' ]) x 3,
);

sub pick { return $_[ rand @_ ] }

# Change a text once.
sub change {
    my ($text) = @_;
    my $at  = int rand(1 + length $text);
    my $how = int rand 6;
    if ($how == 0 && $at < length $text) {
        substr($text, $at, 1) = chr(ord(substr $text, $at, 1) ^ 1 << rand 8);
    }
    elsif ($how == 1) { substr($text, $at, 1 + rand 8) = '' }
    elsif ($how == 2) { substr($text, $at) = '' }
    elsif ($how == 3) { substr($text, $at, 0) = substr $text, rand(1 + $at), 9 }
    elsif ($how == 4) { substr($text, $at, 0) = chr rand 256 }
    else              { substr($text, $at, 0) = pick(@words) }
    return $text;
}

sub cookie {
    my ($ids) = @_;
    my $id = @$ids ? pick(@$ids) : 'A' x 44;
    return pick('', "drsession=$id", "drsession=$id", "drsession=$id",
        "a=b; drsession=$id", "drsession=$id; drsession=$id",
        "drsession=$id; drsession=" . pick(@$ids, 'B' x 43));
}

# One request: most are changed, and nearly all can still be told apart.
sub make {
    my ($ids, $last) = @_;
    my ($method, $path, $more, $body) = @{ pick(@plain) };
    if ($path =~ m{^/back}) {
        my $lines = join "\n", map { 'DRSession: ' . join ', ', map {
            rand() < 0.5 ? change($_) : $_ } map { pick(@ops) } 0 .. rand 3
        } 0 .. rand 2;
        $path .= DRS::pct($lines);
    }
    my $cookie = cookie($ids);
    for (1 .. rand 4) {
        my $part = pick(\($path, $path, $cookie, $cookie, $cookie, $body,
            $body, rand() < 0.3 ? $method : $more));
        $$part = change($$part);
    }
    tr/\r\n\0//d for $cookie, $path, $method;
    $more =~ tr/\r\0//d;
    $more =~ s/^(?:content-length|transfer-encoding|expect)[^\n]*\n?//gim;
    $more .= "\n" if $more ne '' && $more !~ /\n\z/;
    $more =~ s/\n/\r\n/g;
    $path =~ tr/ //d;
    my $length = length $body;
    my $head = "$method $path HTTP/1.1\r\nHost: h\r\n$more"
        . ($cookie eq '' ? '' : "Cookie: $cookie\r\n")
        . ($length || $method =~ /^P/ ? "Content-Length: $length\r\n" : '')
        . ($last ? "Connection: close\r\n" : '') . "\r\n$body";
    return $head;
}

# Bytes on one connection; what comes back until it is closed.
sub talk {
    my ($port, $out) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port, Timeout => 20) // die "no httpd: $!\n";
    my ($in, $sent, $end) = ('', 0, time + 60);
    $socket->blocking(0);
    while (time < $end) {
        my $write = $sent < length $out;
        my ($r, $w) = IO::Select->select(IO::Select->new($socket),
            $write ? IO::Select->new($socket) : undef, undef, 5);
        if ($w && @$w) {
            my $n = syswrite $socket, $out, 65536, $sent;
            $sent += $n // (length($out) - $sent);
            # Who waits for a body that was cut need not wait long.
            shutdown $socket, 1 if $sent == length $out;
        }
        next unless $r && @$r;
        my $n = sysread $socket, $in, 262144, length $in;
        return $in unless $n;
    }
    die "httpd hangs\n";
}

# A worker: requests until so many were answered; what they were answered.
sub work {
    my ($port, $seed, $n) = @_;
    my (@ids, %seen);
    local $SIG{PIPE} = 'IGNORE';
    srand $seed;
    for (my $done = 0; $done < $n;) {
        my $out = join '', map { make(\@ids, $_ == $batch) } 1 .. $batch;
        # Now and then nobody can tell where a request ends.
        $out = change($out) if rand() < 0.03;
        my $in = talk($port, $out);
        while ($in =~ /^HTTP\/1\.1 (\d{3}) /mg) { $seen{$1}++; $done++ }
        push @ids, $in =~ /^Set-Cookie: drsession=($letter+);/mg;
        splice @ids, 0, @ids - 30 if @ids > 30;
    }
    return \%seen;
}

# No command of this user reaches any other key.
sub confine {
    my ($redis) = @_;
    my $glob = '[-A-Za-z0-9_]';
    my $key  = 'drsession:' . $glob x 43;
    $redis->cmd('ACL', 'SETUSER', 'live', 'on', '>live', '+@all',
        "~$key", "~$key$glob");
    open my $out, '>', $redis->dir . '/live' or die $!;
    print {$out} "live\n";
    close $out or die $!;
    chmod 0600, $redis->dir . '/live';
    $redis->{credentials} = 'DRSessionCredentials live file:'
        . $redis->dir . "/live\n";
}

# Take all keys away; how many there were, and those that are none of ours.
sub sweep {
    my ($redis) = @_;
    my ($cursor, $n, @bad) = (0, 0);
    do {
        my $reply = $redis->cmd('SCAN', $cursor, 'COUNT', 1000);
        ($cursor, my $keys) = @$reply;
        $n += @$keys;
        push @bad, grep { !/\Adrsession:$letter{44}\z/ } @$keys;
        $redis->cmd('UNLINK', @$keys) if @$keys;
    } while ($cursor ne '0');
    return ($n, @bad);
}

# Send so many requests: a hash of what came of it.
sub run {
    my ($total, $workers) = @_;
    my $redis = start_redis();
    confine($redis);
    my $backend = DRS::Backend->new;
    my $httpd = start_httpd(redis => $redis,
        modules => [qw(proxy proxy_http)],
        docs => { map { ("$_/x.txt" => "x\n") } qw(page asked) },
        conf => $conf . 'ProxyPass /back ' . $backend->url('http') . "\n");
    my %sum = (answered => 0, keys => 0, foreign => [], status => {});
    my $start = time;
    my $seed  = $ENV{DRS_SEED} // 1;
    for (; $sum{answered} < $total; $seed += $workers) {
        my $left = $total - $sum{answered};
        my $n    = 1 + ($left < $turn ? $left : $turn) / $workers;
        my @seen = parallel($workers, sub {
            work($httpd->port, $seed + $_[0], $n) }, 1200);
        for my $seen (@seen) {
            $sum{status}{$_} += $seen->{$_} for keys %$seen;
            $sum{answered} += $_ for values %$seen;
        }
        my ($n_keys, @bad) = sweep($redis);
        $sum{keys} += $n_keys;
        push @{ $sum{foreign} }, @bad;
    }
    $sum{seconds} = time - $start;
    $sum{denied}  = $redis->cmd('ACL', 'LOG');
    $httpd->stop;
    $sum{log} = [ grep {
        /exit signal|Sanitizer|runtime error|Assertion|\bAH00052\b/
    } split /\n/, $httpd->error_log . $httpd->output ];
    return %sum;
}

1;
