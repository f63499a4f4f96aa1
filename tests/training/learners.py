"""Learners unlike CVsC's: ordinary layers, several heads, several optimisers."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from zslearn._training._estimator import DeepZeroShotClassifier
from zslearn._training._learner import Learner


class TransformerLearner(Learner):
    """A transformer layer with dropout over regions, and a learned encoder of classes."""

    def __init__(self, n_features, table, width=16, dropout=0.2):
        super().__init__()
        self.register_buffer("class_attributes", table)
        self.project = nn.Linear(n_features, width)
        self.mix = nn.TransformerEncoderLayer(width, 2, 32, dropout=dropout, batch_first=True)
        self.encode_class = nn.Sequential(nn.Linear(table.shape[1], 32), nn.ReLU())
        self.embed_class = nn.Linear(32, width)

    def pictures(self, X):
        return self.mix(self.project(X)).mean(1)

    def class_scores(self, X, table):
        classes = self.embed_class(self.encode_class(table.to(self.project.weight.dtype)))
        return self.pictures(X) @ classes.to(X.dtype if X.dtype != torch.float64 else None).T

    def training_step(self, batch):
        z = self.class_scores(batch.X, self.class_attributes)
        return {"loss": cross_entropy(z.float(), batch.y)}


class CosineLearner(Learner):
    """Cosines of a projected picture and projected classes, with a learned temperature."""

    def __init__(self, n_features, table, width=8):
        super().__init__()
        self.register_buffer("class_attributes", table)
        self.of_picture, self.of_class = (
            nn.Linear(n_features, width),
            nn.Linear(table.shape[1], width),
        )
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def class_scores(self, X, table):
        pictures = normalize(self.of_picture(X.mean(1)).float(), dim=1)
        classes = normalize(self.of_class(table.to(self.log_scale.dtype)).float(), dim=1)
        return self.log_scale.exp() * pictures @ classes.T

    def training_step(self, batch):
        return {"loss": cross_entropy(self.class_scores(batch.X, self.class_attributes), batch.y)}


class TwoHeadedLearner(Learner):
    """Attributes by one head, seen classes by another; rates of their own for body and heads."""

    def __init__(self, n_features, table, width=16):
        super().__init__()
        self.register_buffer("class_attributes", table)
        self.body = nn.Sequential(nn.Linear(n_features, width), nn.Tanh(), nn.Dropout(0.1))
        self.attributes = nn.Linear(width, table.shape[1])
        self.classes = nn.Linear(width, len(table))

    def attribute_scores(self, X):
        return self.attributes(self.body(X.mean(1))).float()

    def class_embeddings(self, table):
        return normalize(table, dim=1).float()

    def class_scores(self, X, table):
        return self.attribute_scores(X) @ self.class_embeddings(table).T

    def training_step(self, batch):
        ce = cross_entropy(self.class_scores(batch.X, self.class_attributes), batch.y)
        direct = cross_entropy(self.classes(self.body(batch.X.mean(1))).float(), batch.y)
        return {"loss": ce + 0.5 * direct, "ce": ce, "direct": direct}

    def configure_optimizers(self, make):
        heads = [*self.attributes.parameters(), *self.classes.parameters()]
        groups = [{"params": list(self.body.parameters()), "lr": 1e-3}, {"params": heads}]
        return {"main": make(groups)}


class GANLearner(Learner):
    """A WGAN with gradient penalty that draws features of a class; scores by distance to one."""

    def __init__(self, n_features, table, width=16, n_noise=4, n_critic=5):
        super().__init__()
        self.register_buffer("class_attributes", table)
        k = table.shape[1]
        self.n_noise, self.n_critic = n_noise, n_critic
        self.generator = nn.Sequential(
            nn.Linear(n_noise + k, width), nn.LeakyReLU(0.2), nn.Linear(width, n_features)
        )
        self.critic = nn.Sequential(
            nn.Linear(n_features + k, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
        )

    def phases(self, step):
        return ("critic", "generator") if (step + 1) % self.n_critic == 0 else ("critic",)

    def configure_optimizers(self, make):
        return {
            "critic": make(self.critic.parameters()),
            "generator": make(self.generator.parameters(), lr=5e-3),
        }

    def draw(self, noise, classes):
        return self.generator(torch.cat([noise, classes], 1))

    def training_step(self, batch):
        real, classes = batch.X.mean(1).float(), self.class_attributes[batch.y].float()
        noise = torch.randn(len(real), self.n_noise, generator=batch.generator, device=real.device)
        fake = self.draw(noise, classes).float()
        if batch.phase == "generator":
            return {"loss": -self.critic(torch.cat([fake, classes], 1)).mean()}
        fake = fake.detach()
        share = torch.rand(len(real), 1, generator=batch.generator, device=real.device)
        between = (share * real + (1 - share) * fake).requires_grad_()
        out = self.critic(torch.cat([between, classes], 1)).sum()
        (slope,) = torch.autograd.grad(out, between, create_graph=True)
        penalty = 10 * (slope.norm(dim=1) - 1).square().mean()
        gap = self.critic(torch.cat([fake, classes], 1)).mean()
        gap = gap - self.critic(torch.cat([real, classes], 1)).mean()
        return {"loss": gap + penalty, "wasserstein": -gap, "penalty": penalty}

    def class_scores(self, X, table):
        table = table.to(self.critic[0].weight.dtype)
        centre = self.draw(table.new_zeros(len(table), self.n_noise), table).float()
        return -torch.cdist(X.mean(1).float(), centre)


def estimator_of(learner):
    """An estimator of a learner that takes the table alone."""

    class Toy(DeepZeroShotClassifier):
        _learner_type = learner

        def __init__(self, *, delta=0.0, **training):
            super().__init__(**training)
            self.delta = delta

        def _learner_params(self, classes):
            return {"table": torch.tensor(classes.values, dtype=torch.float32)}

    Toy.__name__ = Toy.__qualname__ = f"{learner.__name__}Classifier"
    return globals().setdefault(Toy.__name__, Toy)  # where pickle finds it
