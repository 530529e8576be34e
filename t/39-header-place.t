#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The response header DRSession across a local redirect: it is done where it
# was written, and nobody is heard where DRSessionHeader is Off.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();

# What the query says: set=FIELD writes it, loc=PATH redirects.
my $cgi = <<'CGI';
#!/usr/bin/perl
$_ = $ENV{QUERY_STRING};
print "DRSession: set $1 \"$1\"\r\n" if /set=(\w+)/;
print "Location: $1\r\n" if /loc=([^&]+)/;
print "Content-Type: text/plain\r\n\r\n$ENV{SCRIPT_NAME}\n";
CGI

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF',
DRSession On
<LocationMatch "^/cgi/(on|too|raw|two)$">
    DRSessionHeader On
</LocationMatch>
<Location /cgi/readonly>
    DRSession ReadOnly
</Location>
<Location /cgi/nosession>
    DRSession Off
</Location>
<Location /cgi/raw>
    DRSessionCodec raw
</Location>
<Location /cgi/two>
    DRSessionPrefix two:
    DRSessionCookie two
</Location>
<Location /lost>
    ErrorDocument 404 /cgi/on
</Location>
CONF
    cgi => { map { $_ => $cgi }
        qw(on too off raw two readonly nosession) });

# All there is in Redis, after one request of a new visitor.
sub state_after {
    my ($path, $jar) = @_;
    $redis->cmd('FLUSHALL');
    my $r = $httpd->get($path, jar => $jar // jar());
    my %held;
    for my $key (@{ $redis->cmd('KEYS', '*') }) {
        my ($prefix, $id) = $key =~ /^(.*:)(.*)/;
        my %field = @{ $redis->cmd('HGETALL', $key) };
        $held{"$prefix$_"} = $field{$_} for keys %field;
        like header($r, 'Set-Cookie'), qr/=\Q$id\E;/, 'its cookie is sent';
    }
    $held{status} = $r->{status};
    $held{header} = header($r, 'DRSession') if header($r, 'DRSession');
    return ($r, \%held);
}

sub leaves {
    my ($path, $want, $name) = @_;
    my ($r, $held) = state_after($path);
    is_deeply $held, { status => 200, %$want }, $name;
    return $r;
}

subtest 'a_write_is_done_where_it_was_written' => sub {
    my $done = { 'drsession:a' => '"a"' };
    my $r = leaves('/cgi/on?set=a&loc=/cgi/two', $done,
        'not in the session of the page that is shown');
    is header($r, 'Vary'), 'Cookie', 'no cache keeps that page';
    is header($r, 'Cache-Control'), 'private, no-cache, no-store', 'nor this';
    leaves('/cgi/on?set=a&loc=/cgi/readonly', $done,
        'though that page is ReadOnly');
    leaves('/cgi/on?set=a&loc=/cgi/nosession', $done,
        'though that page has no session');
    leaves('/cgi/two?set=a&loc=/cgi/on', { 'two:a' => '"a"' }, 'and back');
};

subtest 'each_of_two_is_done_where_it_was_written' => sub {
    my ($r, $held);
    $redis->cmd('FLUSHALL');
    $r = $httpd->get('/cgi/on?set=a&loc=/cgi/two?set=b', jar => jar());
    is $r->{status}, 200, 'a redirect from one that writes to another';
    my %field = map { my $key = $_;
        (/^(.*:)/)[0] => join '=', @{ $redis->cmd('HGETALL', $key) } }
        @{ $redis->cmd('KEYS', '*') };
    is_deeply \%field, { 'drsession:' => 'a="a"', 'two:' => 'b="b"' },
        'both are done';
    is join(' ', sort map { /^(\w+)=/ } headers($r, 'Set-Cookie')),
        'drsession two', 'both cookies are sent';
    is $redis->cmd('DBSIZE'), 2, 'in two sessions';
    leaves('/cgi/on?set=a&loc=/cgi/too?set=b',
        { 'drsession:a' => '"a"', 'drsession:b' => '"b"' },
        'two of the same place share one');
};

subtest 'where_it_is_off_nobody_is_heard' => sub {
    leaves('/cgi/off?set=a&loc=/cgi/on', {}, 'by a redirect to where it is On');
    leaves('/cgi/off?set=a&loc=/cgi/on?set=b', { 'drsession:b' => '"b"' },
        'nor beside one that is');
    leaves('/cgi/off?set=a&loc=/cgi/off', { header => 'set a "a"' },
        'without any On the client sees it');
    my ($r, $held) = state_after('/cgi/off?set=a&loc=/lost');
    is $r->{body}, "/cgi/on\n", 'an error document where it is On';
    is_deeply $held, { status => 404 }, 'does not write for it either';
};

error_log_is_clean($httpd, qr/AH00128/);
done_testing;
