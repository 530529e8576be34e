# SPDX-License-Identifier: MIT
# An HTTP/1.1 client on a raw socket, so that a test sees every header line
# and sends any byte, and a jar that holds what Set-Cookie says.
package DRS::Http;
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use IO::Select;
use Time::HiRes qw(time);

# options: port, timeout of a whole request in seconds, keep (default 1).
sub new {
    my ($class, %opt) = @_;
    return bless { timeout => 30, keep => 1, %opt }, $class;
}

# request(method, path, headers => {} or [], body => text, jar => jar):
# a hash of status, reason, headers ([name, value] in order), body, time.
sub request {
    my ($self, $method, $path, %opt) = @_;
    my $start = time;
    my $out = make_request($method, $path, $self->{port}, \%opt);
    my $again = $self->{link} && $self->{link}{owner} == $$;
    my $response;
    $self->{end} = $start + ($opt{timeout} // $self->{timeout});
    # A kept connection may have been closed meanwhile: then once more.
    for my $try (1, 2) {
        $response = eval { $self->exchange($method, $out) };
        last if $response;
        delete $self->{link};
        die $@ if !$again || $try == 2 || $@ !~ /^closed before/;
        $self->{repeats}++;
    }
    $response->{time} = time - $start;
    $opt{jar}->take($response) if $opt{jar};
    delete $self->{link}
        if !$self->{keep} || $opt{close}
        || lc(header($response, 'Connection') // '') eq 'close';
    return $response;
}

sub make_request {
    my ($method, $path, $port, $opt) = @_;
    my $headers = $opt->{headers} // [];
    my @lines = ref $headers eq 'HASH'
        ? map { [$_, $headers->{$_}] } sort keys %$headers : @$headers;
    my $cookie = $opt->{jar} ? $opt->{jar}->header : undef;
    push @lines, ['Cookie', $cookie]
        if defined $cookie && !grep { lc $_->[0] eq 'cookie' } @lines;
    unshift @lines, ['Host', "127.0.0.1:$port"]
        unless grep { lc $_->[0] eq 'host' } @lines;
    my $body = $opt->{body};
    utf8::encode($body) if defined $body && utf8::is_utf8($body);
    push @lines, ['Content-Length', length $body]
        if defined $body && !grep { lc $_->[0] eq 'transfer-encoding' } @lines;
    push @lines, ['Content-Length', 0]
        if !defined $body && $method =~ /^(?:POST|PUT|PATCH)$/;
    return "$method $path HTTP/1.1\r\n"
        . join('', map { "$_->[0]: $_->[1]\r\n" } @lines)
        . "\r\n" . ($body // '');
}

sub exchange {
    my ($self, $method, $out) = @_;
    my $link = $self->{link};
    if (!$link || $link->{owner} != $$) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->{port}, Timeout => 10)
            // die "cannot connect to httpd: $!\n";
        binmode $socket;
        $socket->autoflush(1);
        $link = $self->{link} = { socket => $socket, owner => $$, in => '' };
    }
    local $SIG{PIPE} = 'IGNORE';
    my $sent = 0;
    while ($sent < length $out) {
        my $n = syswrite $link->{socket}, $out, length($out) - $sent, $sent;
        last unless defined $n;    # the answer says why
        $sent += $n;
    }
    return $self->read_response($method);
}

# More bytes, or nothing at the end of the stream.
sub fill {
    my ($self) = @_;
    my $link = $self->{link};
    my $left = $self->{end} - time;
    die "timeout waiting for httpd\n"
        if $left <= 0
        || !IO::Select->new($link->{socket})->can_read($left);
    return sysread $link->{socket}, $link->{in}, 262144, length $link->{in};
}

sub read_line {
    my ($self) = @_;
    my $link = $self->{link};
    while ($link->{in} !~ /\n/) {
        $self->fill or die $link->{in} eq '' && !$link->{begun}
            ? "closed before the answer\n" : "closed inside the answer\n";
    }
    $link->{in} =~ s/\A([^\n]*)\n//;
    my $line = $1;
    $line =~ s/\r\z//;
    $link->{begun} = 1;
    return $line;
}

sub read_bytes {
    my ($self, $n) = @_;
    my $link = $self->{link};
    while (length $link->{in} < $n) {
        $self->fill or die "closed inside the body\n";
    }
    return substr $link->{in}, 0, $n, '';
}

sub read_response {
    my ($self, $method) = @_;
    my $link = $self->{link};
    $link->{begun} = 0;
    my ($status, $reason) = $self->read_line
        =~ m{\AHTTP/1\.[01] (\d{3}) ?(.*)\z} or die "no HTTP answer\n";
    my @headers;
    while ((my $line = $self->read_line) ne '') {
        my ($name, $value) = split /:[ \t]*/, $line, 2;
        push @headers, [$name, $value // ''];
    }
    return $self->read_response($method) if $status == 100;
    my $response = { status => $status, reason => $reason,
                     headers => \@headers };
    $response->{body} = $method eq 'HEAD' || $status =~ /^(?:204|304)$/
        ? '' : $self->read_body($response);
    return $response;
}

sub read_body {
    my ($self, $response) = @_;
    my $length = header($response, 'Content-Length');
    return $self->read_bytes($length) if defined $length;
    if (lc(header($response, 'Transfer-Encoding') // '') eq 'chunked') {
        my $body = '';
        while (my $n = hex(($self->read_line =~ /^([0-9a-fA-F]+)/)[0])) {
            $body .= $self->read_bytes($n);
            $self->read_line;
        }
        1 while $self->read_line ne '';
        return $body;
    }
    1 while $self->fill;
    return delete((delete $self->{link})->{in});
}

# Each line of a header.
sub headers {
    my ($response, $name) = @_;
    return map { $_->[1] }
        grep { lc $_->[0] eq lc $name } @{ $response->{headers} };
}

# All lines of a header joined by commas, undef if there is none.
sub header {
    my @values = headers(@_);
    return @values ? join(', ', @values) : undef;
}

# What a browser keeps of one host: name, value and attributes.
package DRS::Jar;
use strict;
use warnings;

sub new {
    my ($class, %value) = @_;
    return bless {
        map { $_ => { name => $_, value => $value{$_}, attr => {} } }
            keys %value
    }, $class;
}

# One Set-Cookie line: name, value, attr (lower case name => value).
sub parse {
    my ($line) = @_;
    my ($pair, @attr) = split /;[ \t]*/, $line;
    my ($name, $value) = split /=/, $pair, 2;
    return {
        name  => $name,
        value => $value,
        attr  => { map { my ($n, $v) = split /=/, $_, 2; (lc $n, $v // 1) }
            @attr },
    };
}

sub take {
    my ($self, $response) = @_;
    for my $line (DRS::Http::headers($response, 'Set-Cookie')) {
        my $cookie = parse($line);
        my $age = $cookie->{attr}{'max-age'};
        if ($cookie->{value} eq '' || defined $age && $age <= 0) {
            delete $self->{ $cookie->{name} };
        }
        else {
            $self->{ $cookie->{name} } = $cookie;
        }
    }
}

sub header {
    my ($self) = @_;
    return undef unless %$self;
    return join '; ', map { "$_=$self->{$_}{value}" } sort keys %$self;
}

# The value of a cookie, drsession's unless another is named.
sub id {
    my ($self, $name) = @_;
    my $cookie = $self->{ $name // 'drsession' };
    return $cookie && $cookie->{value};
}

sub copy { my ($self) = @_; return bless {%$self}, ref $self }

1;
