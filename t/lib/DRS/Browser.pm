# SPDX-License-Identifier: MIT
# Headless Chromium for one test file, through WebDriver. All names that the
# test gives it are this machine.
package DRS::Browser;
use strict;
use warnings;
use DRS::Proc;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

sub find {
    my ($found) = grep { -x } map { my $d = $_; map { "$d/$_" } @_ }
        split(/:/, $ENV{PATH}), '/usr/lib/chromium';
    return $found;
}

sub program { return find(qw(chromium chromium-browser google-chrome)) }
sub driver  { return find('chromedriver') }

# options: names => a list of host names.
sub new {
    my ($class, %opt) = @_;
    my $dir  = tempdir('drs-browser-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $port = DRS::Proc::free_port();
    my $self = bless { owner => $$, dir => $dir, http => HTTP::Tiny->new(timeout => 60),
        web => "http://127.0.0.1:$port", %opt }, $class;
    delete $ENV{$_} for qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY);
    $self->{pid} = DRS::Proc::spawn(log => "$dir/driver.log",
        env => { HOME => $dir }, argv => [driver(), "--port=$port"]);
    DRS::Proc::wait_until(30, sub { eval { $self->web('GET', '/status')->{ready} } })
        or die "chromedriver is not up\n";
    my $rules = join ', ', map { "MAP $_ 127.0.0.1" } @{ $self->{names} };
    my $made = $self->web('POST', '/session', { capabilities => {
        alwaysMatch => {
            browserName         => 'chrome',
            acceptInsecureCerts => JSON::PP::true,
            'goog:chromeOptions' => { binary => program(), args => [
                qw(--headless --no-sandbox --disable-gpu --disable-quic
                   --no-first-run --disable-background-networking
                   --disable-component-update --disable-sync
                   --disable-dev-shm-usage --no-proxy-server
                   --remote-debugging-pipe),
                "--host-resolver-rules=$rules",
                "--user-data-dir=$dir/profile" ] },
        } } });
    $self->{web} .= "/session/$made->{sessionId}";
    $self->{open} = 1;
    return $self;
}

sub web {
    my ($self, $method, $path, $body) = @_;
    my $answer = $self->{http}->request($method, "$self->{web}$path", {
        headers => { 'Content-Type' => 'application/json' },
        $method eq 'POST' ? (content => $json->encode($body || {})) : () });
    my $said = eval { $json->decode($answer->{content}) } || {};
    return $said->{value} if $answer->{success};
    die "$method $path: $answer->{status} "
        . substr($answer->{content}, 0, 300) . "\n";
}

sub visit { my ($self, $url) = @_; $self->web('POST', '/url', { url => $url }) }
sub back  { my ($self) = @_; $self->web('POST', '/back') }
sub text  { my ($self) = @_; $self->script('return document.body.textContent') }

# Until the page's text matches, at most some seconds; the text then.
sub text_like {
    my ($self, $wanted) = @_;
    my $text = '';
    DRS::Proc::wait_until(10, sub {
        $text = eval { $self->text } // '';
        $text =~ $wanted;
    });
    return $text;
}

sub script {
    my ($self, $code) = @_;
    return $self->web('POST', '/execute/sync', { script => $code, args => [] });
}

# What a promise comes to; "failed" if it is broken.
sub promise {
    my ($self, $code) = @_;
    return $self->web('POST', '/execute/async', { args => [],
        script => 'const done = arguments[arguments.length - 1];'
            . "Promise.resolve((async () => { $code })())"
            . '.then(done, () => done("failed"))' });
}

# A cookie of the page shown, all its attributes, or nothing.
sub cookie {
    my ($self, $name) = @_;
    my ($cookie) = grep { $_->{name} eq $name } @{ $self->web('GET', '/cookie') };
    return $cookie;
}

sub forget { my ($self) = @_; $self->web('DELETE', '/cookie') }

# A browser that is told to end goes on writing for a moment.
sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $@);
    eval { $self->web('DELETE', '') } if $self->{open};
    DRS::Proc::stop($self->{pid}) if $self->{pid};
    DRS::Proc::wait_until(10, sub {
        remove_tree($self->{dir}, { error => \my $errors });
        return !-e $self->{dir};
    });
}

1;
